"""The real program with a live page, for the tests of the page."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.command_line import ENVIRONMENT

TIMEOUT_S = 60
TOKEN = "0123456789abcdef0123"


class Board:
    """`asl-edge run` with a page on a free port; `start` starts it again on the same port."""

    def __init__(self, *flags: str | Path, environment: dict[str, str] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._flags, self._environment = flags, environment or {}
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "edge", "run", "--output", "none"]
        command += ["--page", f"127.0.0.1:{self.port}", *map(str, self._flags)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT | self._environment)
        try:
            wait_until(lambda: self.health().get("alive"), "a live page")
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.stderr = (self.process.communicate(timeout=TIMEOUT_S)[1] or b"").decode()

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body; `_` in a header's name stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request(method, path, body, headers=named)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def log_in(self, token: str = TOKEN, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send the login form, and return the answer as `request` does."""
        headers = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        return self.request("POST", "/login", f"token={token}".encode(), **headers)

    def page_process(self) -> int:
        """Return the number of the page's process, when there is one."""
        return int(wait_until(self._find_page_process, "the page's process"))

    def _find_page_process(self) -> int:
        tasks = list(Path(f"/proc/{self.process.pid}/task").iterdir())
        return next((int(pid) for task in tasks for pid in (task / "children").read_text().split()), 0)

    def health(self) -> dict[str, Any]:
        try:
            return json.loads(self.request("GET", "/healthz")[2])  # type: ignore[no-any-return]
        except OSError:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            return {}

    def state(self) -> dict[str, Any]:
        """Return the next state of the event stream."""
        with self.stream("/events") as lines:
            for line in lines:
                if line.startswith(b"data: "):
                    return json.loads(line[6:])  # type: ignore[no-any-return]
        raise AssertionError("the stream ended")

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
        """Open a stream of the page. Not with urllib, which would ask a proxy of the environment."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", path, headers=headers)
            yield connection.getresponse()
        finally:
            connection.close()


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.1)
    return pytest.fail(f"waited {TIMEOUT_S} s for {what}")
