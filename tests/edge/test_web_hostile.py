"""What clients do to the page of the real program, by intent or by accident, does not reach the loop."""

import contextlib
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.page_board import TIMEOUT_S, TOKEN, Board, wait_until

LOGIN = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@contextlib.contextmanager
def connections(board: Board, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", board.port)
        yield [stack.enter_context(socket.create_connection(address, TIMEOUT_S)) for _ in range(count)]


def count_descriptors(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def number_of_step(board: Board) -> int:
    return int(board.state()["number"])


def test_idle_connections_take_no_descriptor_of_the_loop_and_keep_nobody_out(
    start_board: Callable[..., Board],
) -> None:
    board = start_board()
    before = count_descriptors(board.process.pid)
    with connections(board, 200) as idle:
        assert board.health()["alive"]
        assert count_descriptors(board.process.pid) == before
        assert count_descriptors(board.page_process()) < 110
        idle[0].settimeout(TIMEOUT_S)
        assert idle[0].recv(1) == b"", "the oldest connection is open"
        idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 OK" in idle[-1].recv(100)
    board.end()
    assert board.stderr.count("an old one is closed") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "head", [b"", b"GET /healthz HTTP/1.1\r\nX: ", LOGIN.encode() + b"Content-Length: 9\r\n\r\n"]
)
def test_connection_without_a_complete_request_is_closed(page: Board, head: bytes) -> None:
    with connections(page, 1) as (client,):
        client.sendall(head)
        while client.recv(4096):
            pass


@pytest.fixture(scope="module")
def page(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board with a token, which ends without a traceback."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "token").write_text(TOKEN)
    flags = ("--camera", "synthetic:A", "--fps", "10", "--model", tiny_folder, "--state-dir", folder)
    board = Board(*flags, "--page-token-file", folder / "token")
    yield board
    board.end()
    assert "Traceback" not in board.stderr


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (LOGIN + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 415),
        (LOGIN + "Content-Encoding: deflate\r\nContent-Length: 5\r\n\r\nhello", 415),
        (LOGIN + "Content-Length: 5000\r\n\r\n" + "x" * 5000, 413),
        (LOGIN + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (LOGIN + "Content-Length: 40\r\n\r\n" + "&" * 40, 400),
        (
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            "Content-Length: 84\r\n\r\n--b\r\nContent-Disposition: form-data; name=token\r\n"
            "Content-Transfer-Encoding: x\r\n\r\n",
            415,
        ),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n", 417),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: nothing\r\n\r\n", 417),
        ("GET // HTTP/1.1\r\nHost: [\r\n\r\n", 421),
    ],
)
def test_wrong_request_is_answered_with_what_is_wrong(page: Board, request_text: str, status: int) -> None:
    with connections(page, 1) as (client,):
        client.sendall(request_text.encode())
        assert client.recv(4096).split()[1] == str(status).encode()
    assert page.health()["alive"]


@pytest.mark.parametrize(
    "end", ["Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", "Content-Length: 9\r\n\r\ntok", ""]
)
def test_client_that_goes_away_in_the_middle_of_its_request_is_no_error(page: Board, end: str) -> None:
    with connections(page, 1) as (client,):
        client.sendall((LOGIN + end).encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close it with a reset
    assert page.health()["alive"]


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (LOGIN + "Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: " + b"b" * 8000 + b"\r\n"),
        (LOGIN + "Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a:\r\n" * 2000),
        (
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            b"x" * 8000,
        ),
        ("", b"\r\n" * 4000),
    ],
)
def test_connection_that_sends_without_end_is_closed_and_takes_no_memory(
    page: Board, head: str, endless: bytes
) -> None:
    with connections(page, 20) as clients:
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(head.encode())
                client.sendall(endless * (10_000_000 // len(endless)))
                pytest.fail("the page took 10 MB")
    peak = re.findall(r"VmHWM:\s*(\d+)", Path(f"/proc/{page.page_process()}/status").read_text())
    assert int(peak[0]) < 100_000  # kB
    assert page.health()["alive"]


def test_many_requests_of_a_client_wait(start_board: Callable[..., Board]) -> None:
    board = start_board()
    with connections(board, 2) as clients:
        started_s = time.monotonic()
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        for client in clients:
            received = b""
            while received.count(b"HTTP/1.1 200") < 50:
                received += client.recv(65536)
        assert time.monotonic() - started_s > 1.5  # a burst of 60, then 20 a second


def test_page_comes_back_and_the_loop_goes_on_when_the_pages_process_is_killed(
    start_board: Callable[..., Board],
) -> None:
    board = start_board()
    before, process = number_of_step(board), board.page_process()
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: board.page_process() != process, "another process")
    wait_until(lambda: board.health().get("alive"), "a live page")
    assert number_of_step(board) > before + 5  # at 10 a second; a new loop would begin at 0
    board.end()
    assert "the page's process ended (exit code -9) and is started again" in board.stderr


def test_health_is_bad_while_the_loops_process_hangs(start_board: Callable[..., Board]) -> None:
    board = start_board()
    board.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: board.request("GET", "/healthz")[0] == 503, "the status 503")
        assert not board.health()["alive"]
    finally:
        board.process.send_signal(signal.SIGCONT)
    wait_until(lambda: board.health().get("alive"), "a live page")


def test_pages_process_ends_with_the_loops_process(start_board: Callable[..., Board]) -> None:
    board = start_board()
    process = board.page_process()
    board.process.kill()
    board.process.communicate(timeout=TIMEOUT_S)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), "the end of the page's process")
