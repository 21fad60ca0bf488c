"""Logins at the page of the real program: sessions, wrong tokens, and clients behind proxies."""

import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.page_board import TOKEN, Board, wait_until

from edge.web.clients import Client, parse_proxies

BEHIND_PROXY = ("--page-trusted-proxies", "127.0.0.1")


@pytest.fixture
def start(start_board: Callable[..., Board], tmp_path: Path) -> Callable[..., Board]:
    """Start a board that asks for the token."""
    (tmp_path / "token").write_text(TOKEN)
    return lambda *flags: start_board("--page-token-file", tmp_path / "token", *flags)


def log_in(board: Board) -> str:
    """Log in and return the session's cookie."""
    status, headers, _ = board.log_in()
    assert status == 303
    return headers["Set-Cookie"].partition(";")[0]


def is_logged_in(board: Board, cookie: str) -> bool:
    return board.request("GET", "/", Cookie=cookie)[0] == 200


def test_each_login_is_a_session_of_its_own_and_ends_with_logout(start: Callable[..., Board]) -> None:
    board = start()
    first, second = log_in(board), log_in(board)
    assert first != second
    with board.stream("/events", Cookie=first) as stream:
        assert b'action="logout">' in board.request("GET", "/", Cookie=first)[2]
        status, headers, _ = board.request("POST", "/logout", Cookie=first)
        assert (status, headers["Location"]) == (303, "login")
        assert 'asl_edge=""' in headers["Set-Cookie"]
        assert stream.read().endswith(b"\n\n"), "a stream of the session goes on"
    assert not is_logged_in(board, first)
    assert is_logged_in(board, second)


def test_session_outlives_a_restart_but_not_its_age_or_the_token(
    start: Callable[..., Board], tmp_path: Path
) -> None:
    board = start()
    cookie = log_in(board)
    (file,) = (tmp_path / "t").glob("page-sessions.json")
    assert file.stat().st_mode & 0o077 == 0
    assert cookie.partition("=")[2] not in file.read_text()
    board.end()
    board.start()
    assert is_logged_in(board, cookie)
    board.end()
    saved = json.loads(file.read_text())
    file.write_text(json.dumps(dict.fromkeys(saved, 1.0)))
    board.start()
    assert not is_logged_in(board, cookie)
    cookie = log_in(board)
    board.end()
    (tmp_path / "token").write_text(TOKEN[::-1])
    board.start()
    assert not is_logged_in(board, cookie)


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": "b"}', b"[" * 100_000, b"\xff" * 9])
def test_damaged_file_of_sessions_ends_them_and_nothing_else(
    start: Callable[..., Board], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/page-sessions.json").write_bytes(content)
    board = start()
    assert is_logged_in(board, log_in(board))


def test_named_pipe_in_place_of_the_file_of_sessions_does_not_stop_the_page(
    start: Callable[..., Board], tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    os.mkfifo(tmp_path / "t/page-sessions.json")
    board = start()
    assert is_logged_in(board, log_in(board))


def test_parallel_guesses_are_refused_after_five_and_counted(start: Callable[..., Board]) -> None:
    board = start("--page-metrics")
    cookie = log_in(board)

    def guess(number: int) -> int:
        return board.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}{number}")[0]

    with ThreadPoolExecutor(32) as pool:
        answers = Counter(pool.map(guess, range(50)))
    assert answers == {401: 5, 429: 45}
    assert board.request("GET", "/events", Authorization=f"Bearer {TOKEN}")[0] == 429
    status, headers, body = board.log_in()
    assert (status, "Too many wrong tokens: try again in" in body.decode()) == (429, True)
    assert int(headers["Retry-After"]) > 0
    assert is_logged_in(board, cookie), "who has logged in before is kept out"
    text = board.request("GET", "/metrics", Cookie=cookie)[2].decode()
    assert "asl_edge_page_wrong_tokens_total 5.0" in text
    assert "asl_edge_page_guesses_refused_total 47.0" in text
    board.end()
    assert board.stderr.count("sent a wrong token") == 1


def test_login_page_says_that_the_token_is_wrong(start: Callable[..., Board]) -> None:
    board = start()
    status, _, body = board.log_in("wrong")
    assert (status, "Wrong token." in body.decode()) == (401, True)
    assert "Wrong token." not in board.request("GET", "/login")[2].decode()


def test_guesses_count_for_a_trusted_proxys_client_and_for_all_together(start: Callable[..., Board]) -> None:
    board = start(*BEHIND_PROXY, "--page-metrics")
    known = {"X_Forwarded_For": "203.0.113.9"}
    assert board.log_in(**known)[0] == 303
    one = [board.log_in("wrong", X_Forwarded_For="198.51.100.1")[0] for _ in range(8)]
    assert one == [401] * 5 + [429] * 3
    invented = {"X_Forwarded_For": "192.0.2.77, 198.51.100.1"}
    assert board.log_in("wrong", **invented)[0] == 429, "an invented client is believed"
    others = [board.log_in("wrong", X_Forwarded_For=f"198.51.100.{n}")[0] for n in range(2, 40)]
    assert others[:25] == [401] * 25
    assert 429 in others[25:]
    assert board.log_in(**known)[0] == 303, "others' guesses keep out who has logged in before"
    metrics = board.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}", **known)[2].decode()
    wrong = sum(answer == 401 for answer in one + others)
    assert f"asl_edge_page_wrong_tokens_total {wrong}.0" in metrics


def test_neighbours_in_an_ipv6_network_keep_out_nobody_who_has_sent_the_token(
    start: Callable[..., Board],
) -> None:
    board = start(*BEHIND_PROXY, "--page-metrics")
    program = {"X_Forwarded_For": "2001:db8::1", "Authorization": f"Bearer {TOKEN}"}
    assert board.request("GET", "/metrics", **program)[0] == 200
    cookie = log_in(board)
    neighbour = {"X_Forwarded_For": "2001:db8::2"}
    assert [board.log_in("wrong", **neighbour)[0] for _ in range(6)] == [401] * 5 + [429]
    assert board.log_in("wrong", X_Forwarded_For="2001:db8::3")[0] == 429, "each address has guesses"
    assert board.request("GET", "/metrics", **program)[0] == 200
    with ThreadPoolExecutor(70) as pool:
        asked = [pool.submit(board.request, "GET", "/healthz", **neighbour) for _ in range(300)]
        wait_until(lambda: any(each.done() and each.result()[0] == 429 for each in asked), "a refusal")
        from_there = {"X_Forwarded_For": "2001:db8::1"}
        assert board.request("GET", "/", Cookie=cookie, **from_there)[0] == 200
        assert board.request("GET", "/metrics", **program)[0] == 200


def test_address_can_not_be_invented_without_a_trusted_proxy(start: Callable[..., Board]) -> None:
    board = start()
    answers = [board.log_in("wrong", X_Forwarded_For=f"198.51.100.{n}")[0] for n in range(8)]
    assert answers == [401] * 5 + [429] * 3


@pytest.mark.parametrize(
    ("flags", "proto", "is_secure"),
    [(BEHIND_PROXY, "https", True), (BEHIND_PROXY, "http", False), ((), "https", False)],
)
def test_cookie_is_secure_behind_a_trusted_proxy_with_tls(
    start: Callable[..., Board], flags: tuple[str, ...], proto: str, is_secure: bool
) -> None:
    cookie = start(*flags).log_in(X_Forwarded_Proto=proto)[1]["Set-Cookie"]
    assert ("; Secure" in cookie) == is_secure
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.2", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.2", ["1.1.1.1, 203.0.113.9, 10.0.0.3"], "203.0.113.9"),
        ("10.0.0.2", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", ["203.0.113.9, nonsense"], "10.0.0.2"),
        ("10.0.0.2", ["nonsense, 10.0.0.3"], "10.0.0.3"),
        ("203.0.113.1", ["1.1.1.1"], "203.0.113.1"),
        ("::ffff:10.0.0.2", ["203.0.113.9"], "203.0.113.9"),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxys(
    peer: str, forwarded_for: list[str], address: str
) -> None:
    assert parse_proxies("10.0.0.0/24").identify(peer, forwarded_for, "").address == address


def test_addresses_of_one_ipv6_network_count_as_one_client() -> None:
    proxies = parse_proxies("")
    assert proxies.identify("2001:db8::1%eth0", [], "") == Client("2001:db8::1%eth0", "2001:db8::/64", False)
    assert proxies.identify("2001:db8::ffff:2", [], "").group == "2001:db8::/64"
    assert proxies.identify("2001:db8:0:1::1", [], "").group != "2001:db8::/64"


def test_board_without_a_state_folder_says_that_logins_end_with_a_restart(
    start: Callable[..., Board], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    board = start("--state-dir", tmp_path / "file")
    assert is_logged_in(board, log_in(board))
    wait_until(lambda: is_logged_in(board, log_in(board)), "a second login")
    board.end()
    assert board.stderr.count("logins end with a restart, because") == 1
