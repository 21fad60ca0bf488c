"""A running `asl-edge run` that reads its settings again and again."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
ANSWERS = ("the settings were reloaded", "the new settings are not used: ")


def is_used(lines: list[str]) -> bool:
    """Whether the log of a reload says that the new settings are used."""
    text = "\n".join(lines)
    return ANSWERS[0] in text and ANSWERS[1] not in text


class Service:
    """The program with a settings file, which SIGHUP lets it read again. It works in `folder`."""

    def __init__(self, settings: Path, folder: Path) -> None:
        (folder / "notify").unlink(missing_ok=True)
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(folder / "notify"))
        self._systemd.settimeout(WAIT_S)
        command = [sys.executable, "-m", "edge", "run", "--config", str(settings)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        with contextlib.suppress(TimeoutError):
            while b"READY=1" not in self._systemd.recv(4096):
                continue

    def reload(self) -> list[str]:
        """Send SIGHUP; return the log up to the answer. Without an answer, the process is ended."""
        self._take_rest()
        self.process.send_signal(signal.SIGHUP)
        lines: list[str] = []
        try:
            while not lines or not any(answer in lines[-1] for answer in ANSWERS):
                lines.append(self._lines.get(timeout=WAIT_S))
        except queue.Empty:
            self.end()
        if lines and ANSWERS[0] in lines[-1]:
            time.sleep(0.2)  # its new camera or output may fail
            lines += self._take_rest()
        return lines

    def uses_settings(self) -> bool:
        """Whether the program reloads its settings and goes on with them."""
        return is_used(self.reload())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._systemd.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))

    def _take_rest(self) -> list[str]:
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return lines
