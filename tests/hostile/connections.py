"""Connections that say nothing, too little or too much, from a client without the token."""

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

from attacked_page import WATCHDOG_S, AttackedPage, attacked_page
from row import Row

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = {
    "idle connections": b"",
    "connections whose headers never end": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
    "login forms that never end": (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 4000\r\n\r\n"
    ),
}
CLOSED_S = 20.0  # after which all of them must be closed
# Of a core, which the page may take while it is flooded. The first is for requests, which are limited for
# each client. The second is for anything else, for which the page limits itself to 0.25.
PAGE_CORE, PAGE_LIMIT = 0.1, 0.35


def attack(short: bool) -> Iterator[Row]:
    with attacked_page() as page:
        for name, start in list(SLOW.items())[1 if short else 0 :]:
            yield _hold_open(page, name, start, 100 if short else 1100)
        seconds, rounds = (2.0, 1) if short else (7.0, 4)
        yield _flood(page, "two clients that ask /healthz in a loop", _ask, seconds, rounds, PAGE_CORE)
        yield _flood(page, "two clients that connect in a loop", _connect, seconds, rounds, PAGE_LIMIT)
        name = "two clients that send malformed requests from 250 addresses in a loop"
        yield _flood(page, name, _garble, seconds, rounds, PAGE_LIMIT)


def _hold_open(page: AttackedPage, name: str, start: bytes, count: int) -> Row:
    """Open connections that drip bytes, and ask meanwhile whether the board is alive."""
    descriptors, fed = page.descriptors(page.loop), len(page.watchdog_s)
    started_s, worst_s, is_alive, is_open = time.monotonic(), 0.0, True, count
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", page.port), 10))
            client.sendall(start)
            client.setblocking(False)
            clients.append(client)
        while is_open and time.monotonic() - started_s < CLOSED_S + 10:
            time.sleep(1)
            asked_s = time.monotonic()
            is_alive = page.is_healthy() and page.descriptors(page.loop) <= descriptors + 2 and is_alive
            worst_s = max(worst_s, time.monotonic() - asked_s)
            is_open = sum(_drip(client, bool(start)) for client in clients)
        closed_s = time.monotonic() - started_s
    gaps = [after - before for before, after in pairwise(page.watchdog_s[fed - 1 :])]
    held = is_alive and not is_open and page.is_unharmed() and max(gaps, default=99) < WATCHDOG_S / 2
    note = f"watchdog fed every {max(gaps, default=0):.0f} s; all closed after {closed_s:.0f} s"
    return Row(f"{count:,} {name}", count, count if held else 0, worst_s, page.peak_mb(), note)


def _drip(client: socket.socket, is_talking: bool) -> bool:
    """Send a byte if the client talks; return whether the connection is open."""
    try:
        if client.recv(4096) == b"":
            return False
    except BlockingIOError:
        pass
    except OSError:
        return False
    with contextlib.suppress(OSError):
        if is_talking:
            client.send(b"y")
    return True


def _flood(
    page: AttackedPage,
    name: str,
    client: Callable[[int, threading.Event, list[int]], None],
    seconds: float,
    rounds: int,
    core: float,
) -> Row:
    """Measure the loop's rate without and with the flood, alternating."""
    kept, cores, tried, worst_s, is_alive = [], [], 0, 0.0, True
    for _ in range(rounds):
        quiet = page.frames_per_s(seconds)
        stop, count = threading.Event(), [0]
        threads = [threading.Thread(target=client, args=(page.port, stop, count)) for _ in range(2)]
        for thread in threads:
            thread.start()
        before_s, started_s = page.cpu_s(), time.monotonic()
        kept.append(page.frames_per_s(seconds) / quiet)
        cores.append((page.cpu_s() - before_s) / (time.monotonic() - started_s))
        asked_s = time.monotonic()
        is_alive = any(page.is_healthy() for _ in range(3)) and is_alive
        worst_s = max(worst_s, time.monotonic() - asked_s)
        stop.set()
        for thread in threads:
            thread.join()
        tried += count[0]
    rate = tried / rounds / seconds
    held = is_alive and page.is_unharmed()
    held = held and statistics.median(cores) <= core and statistics.median(kept) > 0.5
    note = (
        f"{rate:,.0f} a second; the loop keeps {statistics.median(kept):.0%} of its rate, "
        f"the page takes {statistics.median(cores):.0%} of a core"
    )
    return Row(name, tried, tried if held else 0, worst_s, page.peak_mb(), note)


def _ask(port: int, stop: threading.Event, count: list[int]) -> None:
    """Send requests in a pipeline, as ../shared/cases/http_flood.py does."""
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as client:
            while not stop.is_set():
                client.sendall(GET * 20)
                received = 0
                while received < 20 and not stop.is_set():
                    data = client.recv(65536)
                    if not data:
                        break
                    received += data.count(b"HTTP/1.1 ")
                count[0] += received


def _garble(port: int, stop: threading.Event, count: list[int]) -> None:
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.socket() as client:
            client.settimeout(5)
            client.bind((f"127.0.1.{1 + count[0] % 250}", 0))
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n")
            client.recv(4096)
            count[0] += 1


def _connect(port: int, stop: threading.Event, count: list[int]) -> None:
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            count[0] += 1
