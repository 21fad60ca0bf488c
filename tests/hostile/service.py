"""A running `asl-edge run` that reads its settings again and again."""

import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
ANSWERS = ("the settings were reloaded", "the new settings are not used: ")
SIGHUP_BIT = 1 << (signal.SIGHUP - 1)


def is_used(lines: list[str]) -> bool:
    """Whether the log of a reload says that the new settings are used."""
    text = "\n".join(lines)
    return ANSWERS[0] in text and ANSWERS[1] not in text


class Service:
    """The program with a settings file, which SIGHUP lets it read again. It works in `folder`."""

    def __init__(self, settings: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(settings)]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        deadline = time.monotonic() + WAIT_S
        while not self._catches_sighup() and time.monotonic() < deadline:
            time.sleep(0.05)

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

    def _catches_sighup(self) -> bool:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line for line in text.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught.split()[1], 16) & SIGHUP_BIT)
