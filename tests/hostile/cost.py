"""What a process and its children cost: processor seconds, and the largest resident memory."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return the process and its children that run at this moment."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_s(pid: int) -> float:
    """Return the processor seconds of the process, of its children, and of children that have ended."""
    ticks = 0
    for number, each in enumerate(family(pid)):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:  # it has ended, and is counted by its parent
            continue
        ticks += sum(map(int, fields[11 : 15 if number == 0 else 13]))
    return ticks / TICKS_PER_S


def reset_peaks(pid: int) -> None:
    """Let `peak_mb` count from this moment."""
    for each in family(pid):
        try:
            Path(f"/proc/{each}/clear_refs").write_text("5")
        except OSError:  # it has ended
            continue


def peak_mb(pid: int) -> float:
    """Return the largest resident memory of the process or of one of its children, in MB."""
    return max(map(_peak_mb, family(pid)), default=0.0)


def _peak_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in text.splitlines() if line.startswith("VmHWM")), 0.0)
