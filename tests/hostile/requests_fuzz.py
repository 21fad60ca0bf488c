"""Requests that are damaged at random, and requests that are wrong on purpose: no 500 and no traceback."""

import contextlib
import gzip
import random
import socket
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from attacked_page import AttackedPage, attacked_page
from row import Row

SEED = 28
THREADS = 16
AIMED_S, DAMAGED_S = 1.0, 0.3  # to wait for an answer: half of the requests are incomplete and get none

URLENCODED = "application/x-www-form-urlencoded"
PATHS = (
    *("/", "/login", "/logout", "/healthz", "/metrics", "/events", "/picture", "/page.js", "/icon.svg"),
    *(
        "/text/space",
        "/teach/A",
        "/teach/" + "%41" * 50,
        "/%00",
        "/%ff",
        "/../../etc/passwd",
        "//",
        "/?" + "a" * 500,
    ),
    *("*", "http://localhost/", "http://[", "localhost:1", "/\u202e", "/login?wrong=%0d%0aSet-Cookie:a=b"),
)
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", "\x00", "A" * 300)
HEADERS = (
    *(
        "Content-Encoding: gzip",
        "Content-Encoding: deflate",
        "Content-Encoding: br",
        "Content-Encoding: zstd",
    ),
    *(
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: x",
        "Expect: 100-continue",
    ),
    *("Expect: x", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999"),
    *(
        "Content-Length: 5\r\nContent-Length: 6",
        f"Content-Type: {URLENCODED}",
        "Content-Type: ;;;=",
        "Content-Type: a/b/c",
    ),
    *(
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Type: multipart/form-data",
        "Upgrade: websocket",
    ),
    *(
        f"Content-Type: {URLENCODED}; charset=nosuch",
        "Connection: upgrade",
        "Connection: close",
        "Cookie: asl_edge=\xff",
    ),
    *(
        "Cookie: " + "a=b;" * 500,
        "Cookie: asl_edge=" + "\t",
        "Authorization: Bearer",
        "Authorization: Basic \xff\xfe",
    ),
    *(
        "Origin: http://[bad",
        "Origin: null",
        "Origin: http://localhost",
        "Host: [",
        "Host: a:b:c",
        "Host: \xff",
    ),
    *(
        "X-Forwarded-For: ,,,",
        "X-Forwarded-For: [::1]:99999",
        "X-Forwarded-Proto: https,http",
        "X" * 9000 + ": y",
    ),
    *("Range: bytes=0-", "If-None-Match: *", "Sec-WebSocket-Key: x", " : ", "\x00: \x00", "A: b\r\n c"),
)
BODIES = (
    b"",
    b"token=" + b"x" * 20,
    b"token=\xff\xfe%zz%",
    b"&" * 4000,
    b"x" * 5000,
    gzip.compress(b"token=" + b"0" * 10_000_000),
    gzip.compress(b"token=x")[:9],
    zlib.compress(b"token=x"),
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello",
    b"zz\r\n",
    b"--b\r\nContent-Disposition: form-data; name=token\r\nContent-Transfer-Encoding: x\r\n\r\nx\r\n--b--",
    b"--b\r\n" * 500,
)


def attack(short: bool) -> Iterator[Row]:
    with attacked_page() as page:
        yield _send_all(page, "requests wrong on purpose", _aim(60 if short else 500), AIMED_S)
        yield _send_all(page, "requests damaged at random", _damage(200 if short else 10_000), DAMAGED_S)


def _send_all(page: AttackedPage, name: str, requests: list[bytes], answer_s: float) -> Row:
    """Send each request from an address of its own, so that it need not wait for the others."""
    before_s = page.cpu_s()
    with ThreadPoolExecutor(THREADS) as pool:
        statuses = Counter(pool.map(lambda each: _send(page.port, answer_s, *each), enumerate(requests)))
    held = sum(count for status, count in statuses.items() if status < 500)
    if not page.is_unharmed():
        held = 0
    answered = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()) if status)
    each_s = (page.cpu_s() - before_s) / len(requests)
    note = f"answers {answered}; {1000 * each_s:.1f} ms of processor time each"
    return Row(name, len(requests), held, None, page.peak_mb(), note)


def _send(port: int, answer_s: float, number: int, request: bytes) -> int:
    """Send a request, and return the status of the answer, or 0 if there is none."""
    with contextlib.suppress(OSError), socket.socket() as client:
        client.bind((f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}", 0))
        client.settimeout(5)
        client.connect(("127.0.0.1", port))
        client.sendall(request)
        if number % 3 == 0:  # go away at once, with a reset
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return 0
        if number % 3 == 1:
            client.shutdown(socket.SHUT_WR)
        client.settimeout(answer_s)
        answer = client.recv(4096).split(b" ", 2)
        return int(answer[1]) if len(answer) > 1 and answer[1].isdigit() else 0
    return 0


def _aim(count: int) -> list[bytes]:
    """Combine methods, paths, headers and bodies that servers have failed on."""
    chance = random.Random(SEED)
    requests = []
    for _ in range(count):
        method, path = chance.choice(METHODS[:2] * 4 + METHODS), chance.choice(PATHS[:2] * 4 + PATHS)
        headers = ["Host: localhost", *chance.sample(HEADERS, chance.randint(0, 4))]
        body = chance.choice(BODIES)
        if chance.random() < 0.5:
            headers.append(f"Content-Length: {len(body) + chance.choice((0, 0, 0, 1, 100))}")
        head = f"{method} {path} HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n\r\n"
        requests.append(head.encode("utf-8", "replace") + body)
    return requests


def _damage(count: int) -> list[bytes]:
    """Damage such requests byte by byte."""
    chance = random.Random(SEED + 1)
    requests = []
    for request in _aim(count):
        data = bytearray(request[:6000])
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            at = chance.randrange(len(data) or 1)
            damage = chance.randrange(4)
            if damage == 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            elif damage == 1:
                del data[at : at + chance.randrange(1, 30)]
            elif damage == 2:
                data[at:at] = data[at : at + chance.randrange(1, 30)]
            else:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
        requests.append(bytes(data))
    return requests
