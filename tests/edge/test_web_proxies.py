"""The page behind nginx and Caddy with the documented lines, and in Home Assistant's ingress."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import browser as chromium
from support.page_board import TOKEN, Board, wait_until

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "")
CADDY = shutil.which("caddy") or ""
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is not installed: apt install nginx-light")
needs_caddy = pytest.mark.skipif(not CADDY, reason="Caddy is not installed: apt install caddy")
PAGE = (Path(__file__).parents[2] / "docs/live-page.md").read_text()
NAME = "board.example"
INGRESS = "/api/hassio_ingress/aB3-x_9"


def read_lines(language: str, number: int) -> str:
    """Return the lines of a documented example."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]  # type: ignore[no-any-return]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_nginx(folder: Path, lines: str, port: int) -> subprocess.Popen[bytes]:
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/errors; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; {lines} }} }}\n"
    )
    return subprocess.Popen([NGINX, "-e", folder / "errors", "-c", folder / "nginx.conf", "-p", folder])


def start_caddy(folder: Path, lines: str, port: int) -> subprocess.Popen[bytes]:
    # by another port, and without a certificate, which Caddy would get from the internet
    lines = lines.replace(NAME, f"http://{NAME}:{port}")
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https off\n}}\n{lines}")
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    command = [CADDY, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
    with (folder / "errors").open("wb") as errors:
        return subprocess.Popen(command, env=environment, stderr=errors)


class Browser:
    """Sends requests to a proxy as a browser does: with the name that it knows, and its origin."""

    def __init__(self, port: int) -> None:
        self._port, self.host = port, f"{NAME}:{port}"
        self.cookie = ""

    def request(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
        """Return status, Location and body; keep the cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            self._send(connection, method, path, body, headers)
            response = connection.getresponse()
            cookie = response.headers.get("Set-Cookie", "")
            self.cookie = cookie.partition(";")[0] or self.cookie
            return response.status, response.headers.get("Location", ""), response.read().decode()
        finally:
            connection.close()

    @contextmanager
    def stream(self, path: str) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            self._send(connection, "GET", path, "", {})
            yield connection.getresponse()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: str,
        headers: dict[str, str],
    ) -> None:
        sent = {"Host": self.host, "Cookie": self.cookie}
        if method == "POST":
            sent |= {
                "Origin": f"http://{self.host}",
                "Content-Type": "application/x-www-form-urlencoded",
            }
        connection.request(method, path, body, sent | headers)


Start = Callable[[Path, str, int], subprocess.Popen[bytes]]
PROXIES = [
    pytest.param(start_nginx, ("nginx", 0), "/", marks=needs_nginx, id="nginx"),
    pytest.param(start_nginx, ("nginx", 0), "/asl/", marks=needs_nginx, id="nginx-path"),
    pytest.param(start_caddy, ("caddy", 0), "/", marks=needs_caddy, id="caddy"),
    pytest.param(start_caddy, ("caddy", 1), "/asl/", marks=needs_caddy, id="caddy-path"),
]


@contextmanager
def proxy(start: Start, folder: Path, lines: str, board: Board) -> Iterator[Browser]:
    """Run a proxy with these lines before the board's page."""
    folder.mkdir()
    folder.chmod(0o755)
    browser = Browser(free_port())
    process = start(folder, lines.replace("127.0.0.1:8080", f"127.0.0.1:{board.port}"), browser._port)
    try:
        wait_until(browser.is_ready, "the proxy")
        yield browser
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize(("start", "example", "root"), PROXIES)
def test_page_works_behind_a_proxy_with_the_documented_lines(
    start_board: Callable[..., Board], tmp_path: Path, start: Start, example: tuple[str, int], root: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    lines = read_lines(*example)
    if start is start_nginx:
        lines = lines.replace("location / {", f"location {root} {{")
    flags = ("--page-token-file", tmp_path / "token", "--page-trusted-proxies", "127.0.0.1")
    board = start_board(*flags, "--page-hosts", NAME)
    with proxy(start, tmp_path / "proxy", lines, board) as browser:
        if root != "/":
            status, location, _ = browser.request("GET", root.rstrip("/"))
            assert status in (301, 302)
            assert location.endswith("/asl/")
        status, location, _ = browser.request("GET", root)
        assert (status, location) == (303, "login")
        assert browser.request("POST", f"{root}login", "token=wrong")[0] == 401
        assert browser.request("POST", f"{root}login", f"token={TOKEN}")[:2] == (303, "./")
        status, _, html = browser.request("GET", root)
        assert status == 200
        for link in re.findall(r'(?:href|src|action)="([^"]+)"', html):
            if link != "logout":
                assert browser.request("GET", root + link)[0] == 200, link
        began_t = time.monotonic()
        with browser.stream(f"{root}events") as events:
            states: list[dict[str, int]] = []
            while len(states) < 3:
                line = events.readline()
                if line.startswith(b"data: "):
                    states.append(json.loads(line[6:]))
        assert states[0]["number"] < states[2]["number"]
        assert time.monotonic() - began_t < 20
        with browser.stream(f"{root}picture") as pictures:
            assert b"\xff\xd8" in pictures.read(400)
        assert browser.request("POST", f"{root}text/space")[0] == 204
        from_afar = {"X-Forwarded-For": "198.51.100.7"}
        if start is start_nginx:  # appends to it, and Caddy believes nobody
            wrong = [browser.request("POST", f"{root}login", "token=no", **from_afar)[0] for _ in range(6)]
            assert wrong == [401] * 5 + [429]
            assert browser.request("POST", f"{root}login", f"token={TOKEN}")[0] == 303
        assert browser.request("POST", f"{root}logout")[1] == "login"


@needs_nginx
def test_proxy_that_changes_the_host_is_told_which_header_is_missing(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    board = start_board("--page-trusted-proxies", "127.0.0.1", "--page-hosts", NAME)
    lines = "location / { proxy_pass http://127.0.0.1:8080; }"  # as nginx's manual has it
    with proxy(start_nginx, tmp_path / "proxy", lines, board) as browser:
        status, _, sentence = browser.request("POST", "/text/space")
        assert status == 403
        assert f"its Origin is 'http://{browser.host}', and its Host '127.0.0.1:{board.port}'" in sentence
        assert "proxy_set_header Host $http_host;" in sentence
        with browser.stream("/events") as events:
            assert events.readline() == b"retry: 1000\n", "a proxy keeps events back"


def test_ingress_of_home_assistant_may_show_the_page_in_its_frame(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    flags = ("--page-token-file", tmp_path / "token", "--page-trusted-proxies", "127.0.0.1")
    board = start_board(*flags, "--page-hosts", "homeassistant.local")
    sent = {
        "Host": "homeassistant.local:8123",
        "Origin": "https://homeassistant.local:8123",
        "X_Ingress_Path": INGRESS,
        "X_Forwarded_For": "192.168.1.20, 172.30.32.1",
        "X_Forwarded_Host": "homeassistant.local:8123",
        "X_Forwarded_Proto": "https",
    }
    status, headers, _ = board.request("GET", "/", **sent)
    assert (status, headers["Location"]) == (303, "login")
    status, headers, _ = board.log_in(**sent)
    assert status == 303
    assert headers["Location"] == "./"
    assert f"; Path={INGRESS};" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    status, headers, _ = board.request("GET", "/", Cookie=cookie, **sent)
    assert (status, "frame-ancestors 'self'" in headers["Content-Security-Policy"]) == (200, True)
    assert board.request("POST", "/text/space", Cookie=cookie, **sent)[0] == 204
    assert board.request("POST", "/text/space", Cookie=cookie, **sent | {"Host": "127.0.0.1:8099"})[0] == 204
    foreign = sent | {"Origin": "https://evil.example"}
    assert board.request("POST", "/text/space", Cookie=cookie, **foreign)[0] == 403
    rebound = sent | {"Host": "evil.example", "Origin": "https://evil.example"}
    assert board.request("GET", "/", Cookie=cookie, **rebound)[0] == 421


@pytest.mark.parametrize(
    ("flags", "path"),
    [((), INGRESS), (("--page-trusted-proxies", "127.0.0.1"), "/a; Domain=example"),
     (("--page-trusted-proxies", "127.0.0.1"), "//evil.example")],
)  # fmt: skip
def test_ingress_path_of_a_stranger_or_of_no_use_is_ignored(
    start_board: Callable[..., Board], tmp_path: Path, flags: tuple[str, ...], path: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    board = start_board("--page-token-file", tmp_path / "token", *flags)
    status, headers, _ = board.log_in(X_Ingress_Path=path, X_Forwarded_Host="127.0.0.1")
    assert status == 303
    assert "; Path=/;" in headers["Set-Cookie"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.skipif(not chromium.is_installed(), reason=chromium.MISSING)
@needs_nginx
def test_browser_shows_the_page_in_a_frame_of_home_assistants_address(
    start_board: Callable[..., Board], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    board = start_board("--page-token-file", tmp_path / "token", "--page-trusted-proxies", "127.0.0.1")
    lines = read_lines("nginx", 0).replace("location / {", f"location {INGRESS}/ {{")
    lines = lines.replace(
        "proxy_set_header Host", f"proxy_set_header X-Ingress-Path {INGRESS}; proxy_set_header Host"
    )
    frame = f"<iframe src={INGRESS}/></iframe>"
    lines += f"location / {{ default_type text/html; return 200 '{frame}'; }}"
    with (
        proxy(start_nginx, tmp_path / "proxy", lines, board) as home_assistant,
        chromium.browser(tmp_path / "profile") as driver,
    ):
        from selenium.webdriver.common.by import By

        driver.get(f"http://127.0.0.1:{home_assistant._port}/")
        driver.switch_to.frame(0)
        driver.find_element(By.ID, "token").send_keys(TOKEN)
        driver.find_element(By.CSS_SELECTOR, "button.strong").click()
        wait_until(lambda: driver.find_elements(By.ID, "link"), "the page")
        wait_until(lambda: driver.find_element(By.ID, "link").text == "live", "a live page")
        wait_until(lambda: "F" in driver.find_element(By.ID, "text").text, "a letter")
        driver.find_element(By.ID, "space").click()
        wait_until(
            lambda: " " in str(driver.find_element(By.ID, "text").get_property("textContent")), "a space"
        )
