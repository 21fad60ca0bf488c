"""Guesses of the page's token, by header, form and cookie, from one client and from thousands."""

import contextlib
import http.client
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from attacked_page import AttackedPage, attacked_page
from row import Row

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSED, WRONG, NOT_ANSWERED = 429, 401, 0
THREADS = 32
FRESH_S = 0.6  # until the page asks for new metrics


def attack(short: bool) -> Iterator[Row]:
    with attacked_page("--page-trusted-proxies", "127.0.0.1") as page:
        count = 100 if short else 2000
        yield _guess(page, "guesses of the token from one client", count // 4, 1, _send_bearer)
        yield _guess(page, "guesses in the login form from two clients", count // 4, 2, _send_form)
        yield _guess(page, "guesses, each from another client behind a proxy", count, count, _send_bearer)
    with attacked_page() as page:
        yield _guess_cookies(page, 3.0 if short else 15.0)


def _guess(
    page: AttackedPage,
    name: str,
    count: int,
    clients: int,
    send: Callable[[AttackedPage, str, str], int],
) -> Row:
    """Send wrong tokens from `clients` addresses, which a trusted proxy names, in parallel."""
    started_s = time.monotonic()
    checked_before = page.metric("page_wrong_tokens_total")

    def guess(number: int) -> int:
        address = f"10.{clients % 250}.{number % clients // 250}.{number % clients % 250}"
        return send(page, secrets.token_hex(16), address)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = Counter(pool.map(guess, range(count)))
    seconds = time.monotonic() - started_s
    time.sleep(FRESH_S)
    checked = page.metric("page_wrong_tokens_total") - checked_before
    allowed = min(clients * (5 + seconds / 10), 30 + seconds / 2) + 2
    held = count - sum(n for status, n in answers.items() if status not in (REFUSED, WRONG))
    if checked > allowed or not page.is_unharmed():
        held = 0
    rate = count / seconds
    note = f"{rate:,.0f} a second arrive, {checked:.0f} in {seconds:.0f} s are compared, the others refused"
    return Row(f"{count:,} {name}", count, held, None, page.peak_mb(), note)


def _send_bearer(page: AttackedPage, token: str, client: str) -> int:
    return _ask(
        page, "GET", "/metrics", None, {"Authorization": f"Bearer {token}", "X-Forwarded-For": client}
    )


def _send_form(page: AttackedPage, token: str, client: str) -> int:
    return _ask(page, "POST", "/login", f"token={token}", {**FORM, "X-Forwarded-For": client})


def _ask(page: AttackedPage, method: str, path: str, body: str | None, headers: dict[str, str]) -> int:
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return connection.getresponse().status
    return NOT_ANSWERED


def _guess_cookies(page: AttackedPage, seconds: float) -> Row:
    """Send invented sessions in a pipeline for some seconds."""
    deadline, tried, refused = time.monotonic() + seconds, 0, 0
    with socket.create_connection(("127.0.0.1", page.port), 30) as client:
        while time.monotonic() < deadline:
            for _ in range(20):
                cookie = f"Cookie: asl_edge={secrets.token_urlsafe(32)}\r\n"
                client.sendall(f"GET /page.js HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n".encode())
            tried += 20
            answers = b""
            while answers.count(b"HTTP/1.1 ") < 20:
                answers += client.recv(65536)
            refused += answers.count(b"HTTP/1.1 401 ")
    held = refused if page.is_unharmed() else 0
    return Row(
        "invented sessions in the cookie",
        tried,
        held,
        None,
        page.peak_mb(),
        f"{tried / seconds:.0f} a second",
    )
