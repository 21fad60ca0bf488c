"""Samples of the board's sensors and of this process's memory during a measurement."""

import resource
import threading
import time
from pathlib import Path

from edge.system.board import BoardReading, read_board

SAMPLE_S = 2.0  # interval between two samples


class Sampler:
    """A thread that samples the board's sensors and this process's memory, and measures its own cost."""

    def __init__(self) -> None:
        self.readings: list[BoardReading] = []
        self.memory_mb: list[float] = []
        self.cpu_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        began_t, children_s = time.monotonic(), _children_s()
        while True:
            self.readings.append(read_board(time.monotonic() - began_t))
            self.memory_mb.append(read_memory_mb("VmRSS"))
            self.cpu_s = time.thread_time() + _children_s() - children_s
            if self._stop.wait(SAMPLE_S):
                return


def read_memory_mb(key: str) -> float:
    """Return VmRSS or VmHWM of this process in MB (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return float("nan")


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
