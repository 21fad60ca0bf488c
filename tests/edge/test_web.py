"""The live page of the real program, by plain requests: its data, its refusals, its settings."""

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.command_line import ENVIRONMENT, asl_edge, read_refusal
from support.page_board import TOKEN, Board, wait_until


@pytest.fixture(scope="module")
def page(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One board for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("taught")
    flags = ("--camera", "synthetic:A", "--fps", "10", "--model", tiny_folder, "--state-dir", folder)
    board = Board(*flags, "--page-hosts", "board.example other.example")
    yield board
    board.end()


def test_every_response_has_security_headers_and_loads_nothing_from_other_servers(
    start_board: Callable[..., Board],
) -> None:
    board = start_board("--page-metrics")
    for path in ("/", "/page.js", "/page.css", "/healthz", "/metrics", "/nothing"):
        headers = board.request("GET", path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    for path in ("/", "/page.js", "/page.css"):
        body = board.request("GET", path)[2].decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in body
        assert "https://" not in body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8080", 200),
        ("192.168.1.5", 200),
        ("[::1]:8080", 200),
        (socket.gethostname(), 200),
        ("board.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8080", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_host_name_of_another_machine_is_refused(page: Board, host: str, status: int) -> None:
    assert page.request("GET", "/", Host=host)[0] == status


def test_other_sites_can_not_press_the_buttons(page: Board) -> None:
    assert page.request("POST", "/text/space", Origin="http://evil.example")[0] == 403
    assert page.request("POST", "/text/space", Origin="null")[0] == 403
    assert page.request("POST", "/text/space", Origin=f"http://127.0.0.1:{page.port}")[0] == 204
    assert page.request("POST", "/text/everything")[0] == 404


def test_health_contains_camera_age_and_model(page: Board) -> None:
    status, _, body = page.request("GET", "/healthz")
    health = json.loads(body)
    assert (status, health["alive"], health["camera"]) == (200, True, {"name": "synthetic", "state": "live"})
    assert health["frame_age_s"] < 10
    assert len(health["model"]["sha256"]) == 64
    assert "letter" not in body.decode()


def test_state_contains_letters_and_the_hand(page: Board) -> None:
    state = wait_until(lambda: (s := page.state())["text"] and s, "a letter")
    assert set(state["text"]) <= {"F", " "}
    assert state["history"][0]["letter"] == "F"
    hand = wait_until(lambda: page.state()["hand"], "a hand")
    assert (len(hand["box"]), len(hand["points"])) == (4, 21)
    assert state["why"].keys() == {"kind", "sentence"}


def test_client_that_sleeps_slows_neither_the_loop_nor_other_clients(page: Board) -> None:
    sleepers = []
    for path in ("/picture", "/events", "/picture"):
        sleeper = socket.create_connection(("127.0.0.1", page.port))
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())  # and never reads
        sleepers.append(sleeper)
    first = page.state()
    time.sleep(3)
    second = page.state()
    for sleeper in sleepers:
        sleeper.close()
    assert second["number"] - first["number"] > 15  # of 30 at 10 frames a second, on a busy machine
    assert second["fps"] > 5


def test_page_with_a_token_refuses_requests_without_it(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    (tmp_path / "page_token").write_text(TOKEN + "\n")
    board = start_board(environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    for path in ("/events", "/picture", "/page.js", "/metrics"):
        assert board.request("GET", path)[0] == 401
    assert board.request("POST", "/text/clear")[0] == 401
    assert board.request("GET", "/")[1]["Location"] == "login"
    assert board.request("GET", "/", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert board.request("GET", "/", Authorization=f"Bearer {TOKEN}x")[0] == 303
    assert board.request("GET", "/", Authorization="Bearer \xe9")[0] == 303
    assert board.request("GET", "/", Cookie="asl_edge=" + TOKEN)[0] == 303
    for kind, body in (
        ("multipart/form-data", b"x"),
        ("application/x-www-form-urlencoded; charset=nosuch", b"token=1"),
        ("application/x-www-form-urlencoded", b"token=\xff"),
    ):
        assert board.request("POST", "/login", body, Content_Type=kind)[0] in (401, 415)
    assert board.request("POST", "/login", Origin="http://[bad")[0] == 403
    with socket.create_connection(("127.0.0.1", board.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n")
        assert b" 400 " in connection.recv(4096)
    assert board.health()["alive"]
    board.end()
    assert "sent a wrong token" in board.stderr
    assert "Traceback" not in board.stderr


def test_pictures_are_sent_as_jpegs_unless_they_are_switched_off(
    page: Board, start_board: Callable[..., Board]
) -> None:
    with page.stream("/picture") as stream:
        begin = stream.read(400)
    assert begin.startswith(b"--next-picture\r\nContent-Type: image/jpeg\r\nContent-Length: ")
    assert b"\r\n\r\n\xff\xd8" in begin
    closed = start_board("--no-page-picture")
    assert closed.request("GET", "/picture")[0] == 404
    assert closed.state()["picture"] is False


def test_taken_port_is_one_sentence(page: Board, tiny_folder: Path) -> None:
    done = asl_edge(
        "run", "--camera", "synthetic:A", "--model", tiny_folder, "--page", f"127.0.0.1:{page.port}"
    )
    assert "another program uses that port" in read_refusal(done)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--page", "8080"), "must be an address and a port"),
        (("--page", "board:8080"), "must be an address and a port"),
        (("--page", "127.0.0.1:99999"), "must be an address and a port"),
        (("--page", "0.0.0.0:0"), "so it must have a token: give page.token_file"),
        (("--page", "[::]:0"), "so it must have a token"),
        (("--page", "127.0.0.1:0", "--page-token-file", "/nowhere"), "can't be read: no such file"),
        (("--page-metrics",), "give page.listen, too"),
        (("--page", "127.0.0.1:0", "--page-trusted-proxies", "10.0.0.1/8"), "10.0.0.1/8 has host bits set"),
        (("--page", "127.0.0.1:0", "--page-trusted-proxies", "proxy"), "must be addresses or networks"),
    ],
)
def test_page_that_can_not_be_opened_is_one_sentence(
    tiny_folder: Path, flags: tuple[str, ...], says: str
) -> None:
    assert says in read_refusal(asl_edge("run", "--camera", "synthetic:A", "--model", tiny_folder, *flags))


def test_free_port_that_was_chosen_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dark.png"), np.zeros((48, 64, 3), np.uint8))
    flags = ("--output", "none", "--page", "127.0.0.1:0")
    done = asl_edge("run", "--camera", f"replay:{tmp_path}", "--model", tiny_folder, *flags)
    assert re.search(r"the page is at http://127\.0\.0\.1:[1-9]\d+/ and", done.stderr)


def test_empty_token_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    flags = ("--page", "127.0.0.1:0", "--page-token-file", tmp_path / "token")
    done = asl_edge("run", "--camera", "synthetic:A", "--model", tiny_folder, *flags)
    assert "which is empty: write the secret into it" in read_refusal(done)


def test_short_token_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("1234")
    flags = ("--page", "0.0.0.0:0", "--page-token-file", tmp_path / "token")
    done = asl_edge("run", "--camera", "synthetic:A", "--model", tiny_folder, *flags)
    assert "has 4 characters, expected at least 16" in read_refusal(done)


@pytest.mark.parametrize(
    ("module", "flags", "extra"),
    [
        ("aiohttp", ("--page", "127.0.0.1:0"), ".[page]"),
        ("prometheus_client", ("--page", "127.0.0.1:0", "--page-metrics"), ".[metrics]"),
        ("paho", ("--mqtt", "mqtt://localhost"), ".[mqtt]"),
    ],
)
def test_missing_extra_is_named_only_when_it_is_needed(
    tiny_folder: Path, tmp_path: Path, module: str, flags: tuple[str, ...], extra: str
) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        arguments = ["run", "--camera", f"replay:{tmp_path}", "--model", str(tiny_folder), *more]
        without = (
            "import sys; sys.modules[sys.argv[1]] = None  # as if it were not installed\n"
            "from edge.commands.cli import main; sys.exit(main(sys.argv[2:]))"
        )
        command = [sys.executable, "-c", without, module, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)

    assert f"pip install '{extra}'" in read_refusal(run(*flags))
    assert extra not in run().stderr
