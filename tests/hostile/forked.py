"""Run `asl-edge` many times: each run is a process of its own, forked from one that has imported everything.

Starting Python and importing OpenCV and onnxruntime takes a second, the command itself often a tenth of it.
"""

import os
import resource
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.commands import cli

MAX_CPU_S = 60  # then the system ends the run
MAX_S = 300.0  # then this module does; it may wait for something that never comes


@dataclass(frozen=True)
class Run:
    """How one run of the command line ended."""

    code: int  # as a shell reports it; minus the signal if one ended it
    stdout: str
    stderr: str
    cpu_s: float
    peak_mb: float  # resident; what the imports take, some 100 MB, is in it

    @property
    def refused_in_one_sentence(self) -> bool:
        """Exit code 2 and one printable line."""
        line = self.stderr.removesuffix("\n")
        return self.code == 2 and not self.stdout and line.startswith("asl-edge: ") and line.isprintable()


def run_forked(arguments: Sequence[str | Path]) -> Run:
    """Run `asl-edge` with these arguments until it ends, or is ended at a limit."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        pid = os.fork()
        if pid == 0:
            _become([str(argument) for argument in arguments], stdout.fileno(), stderr.fileno())
        status, usage = _wait(pid)
        code = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Run(code, *texts, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def _become(arguments: list[str], stdout: int, stderr: int) -> None:
    """Be `asl-edge` in this process and never return."""
    code = 70  # of a traceback
    try:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        os._exit(code)


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    until_s = time.monotonic() + MAX_S
    while time.monotonic() < until_s:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage
