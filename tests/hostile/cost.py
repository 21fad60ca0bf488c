"""What a process and its children cost: processor seconds, and the largest resident memory."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN_S = 30.0  # a command that runs longer is ended
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


def run_measured(arguments: list[str]) -> tuple[int, list[str], float, float]:
    """Run `asl-edge` with these arguments.

    Return its exit code, the lines that it printed, its processor seconds, and its memory in MB.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        deadline = time.monotonic() + RUN_S
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        while pid == 0:
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.02)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = [*out.read().splitlines(), *err.read().splitlines()]
    spent: resource.struct_rusage = usage
    return process.returncode, lines, spent.ru_utime + spent.ru_stime, spent.ru_maxrss / 1000
