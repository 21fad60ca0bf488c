"""Ctrl-C while the program starts: it ends at once and prints nothing."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.command_line import start_asl_edge


def wait_for_imports(program: subprocess.Popen[str]) -> None:
    """Wait until the program imports its first library, which takes most of its start."""
    while "numpy" not in Path(f"/proc/{program.pid}/maps").read_text():
        assert program.poll() is None
        time.sleep(0.002)


@pytest.mark.parametrize("command", ["predict", "run"])
def test_ctrl_c_during_the_start_prints_no_traceback(tiny_folder: Path, command: str) -> None:
    flags = ["-"] if command == "predict" else ["--camera", "synthetic:A"]
    for delay_s in (0.0, 0.05, 0.1, 0.2, 0.4):
        with start_asl_edge(command, *flags, "--model", tiny_folder) as program:
            wait_for_imports(program)
            time.sleep(delay_s)
            program.send_signal(signal.SIGINT)
            out, errors = program.communicate(timeout=60)
        assert "Traceback" not in errors
        assert out == ""
        # killed by the signal while it starts, 130 later; `run` ends well once it reads frames
        assert program.returncode in (-signal.SIGINT, 128 + signal.SIGINT, 0)
