"""The real program with its page, a token and a notification socket, for the attacks from the network."""

import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKEN = secrets.token_hex(16)
WATCHDOG_S = 15
START_S = 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class AttackedPage:
    """`asl-edge run` with a page; measures the loop's process and the page's."""

    def __init__(self, folder: Path, flags: tuple[str, ...]) -> None:
        self.watchdog_s = [time.monotonic()]  # when systemd would have been told that the loop is alive
        self._log = folder / "log"
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(folder / "notify"))
        threading.Thread(target=self._listen, daemon=True).start()
        (folder / "token").write_text(TOKEN)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "edge", "run", "--camera", "synthetic:HELLO", "--output", "none"]
        command += ["--fps", "10", "--no-skip-still-frames", "--page", f"127.0.0.1:{self.port}"]
        command += ["--page-metrics", "--page-token-file", str(folder / "token"), "--state-dir", str(folder)]
        settings = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": str(WATCHDOG_S * 10**6)}
        with self._log.open("w") as log:
            self._program = subprocess.Popen([*command, *flags], stderr=log, env=os.environ | settings)
        self.loop = self._program.pid
        deadline = time.monotonic() + START_S
        while not self.is_healthy():
            if time.monotonic() > deadline or self._program.poll() is not None:
                raise SystemExit(f"the page did not start: {self.log()}")
            time.sleep(0.2)
        self.page = self._find_page()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = self.request("POST", "/login", f"token={TOKEN}", **form)[1]
        self.cookie = headers["Set-Cookie"].partition(";")[0]

    def end(self) -> int:
        """End the program and return its exit code."""
        self._program.send_signal(signal.SIGTERM)
        code = self._program.wait(START_S)
        self._systemd.close()
        return code

    def request(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers=headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def is_healthy(self) -> bool:
        """Return whether /healthz says that the board is alive."""
        try:
            return self.request("GET", "/healthz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def metric(self, name: str) -> float:
        text = self.request("GET", "/metrics", Cookie=self.cookie)[2]
        found = re.search(rf"^asl_edge_{name} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def frames_per_s(self, seconds: float) -> float:
        """Return the rate of the loop over the next seconds."""
        before, started_s = self.metric("frames_read_total"), time.monotonic()
        time.sleep(seconds)
        return (self.metric("frames_read_total") - before) / (time.monotonic() - started_s)

    def log(self) -> str:
        return self._log.read_text()

    def is_unharmed(self) -> bool:
        """Return whether both processes are the old ones, the page answers, and the log has no traceback."""
        return (
            self._program.poll() is None
            and self._find_page() == self.page
            and self.is_healthy()
            and "Traceback" not in self.log()
            and len(self.log().splitlines()) < 12
            and time.monotonic() - self.watchdog_s[-1] < WATCHDOG_S / 2
        )

    def peak_mb(self) -> float:
        """Return the largest resident memory of the page's process."""
        return int(re.findall(r"VmHWM:\s*(\d+)", Path(f"/proc/{self.page}/status").read_text())[0]) / 1024

    def cpu_s(self) -> float:
        """Return the processor time of the page's process."""
        fields = Path(f"/proc/{self.page}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def descriptors(self, process: int) -> int:
        return len(list(Path(f"/proc/{process}/fd").iterdir()))

    def _find_page(self) -> int:
        tasks = Path(f"/proc/{self.loop}/task").iterdir()
        return next((int(pid) for task in tasks for pid in (task / "children").read_text().split()), 0)

    def _listen(self) -> None:
        while True:
            try:
                message = self._systemd.recv(4096)
            except OSError:
                return
            if b"WATCHDOG=1" in message:
                self.watchdog_s.append(time.monotonic())


@contextmanager
def attacked_page(*flags: str) -> Iterator[AttackedPage]:
    """Start the program in a folder of its own, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        page = AttackedPage(Path(folder), flags)
        try:
            yield page
        finally:
            page.end()
