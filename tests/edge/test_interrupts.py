"""Ctrl-C while the program starts: it ends at once and prints nothing."""

import signal
import subprocess

import pytest
from support.command_line import ENVIRONMENT, start_asl_edge

# Modules that are imported one after another. Before the first of them, Python itself is starting.
MODULES = ("argparse", "edge.system.logs", "numpy._core.multiarray", "cv2", "edge.hand.palm_detector")


@pytest.mark.parametrize("module", MODULES)
def test_ctrl_c_during_the_start_prints_no_traceback(module: str) -> None:
    environment = ENVIRONMENT | {"PYTHONVERBOSE": "1"}  # each import is a line on standard error
    with start_asl_edge("predict", "x", env=environment, stdin=subprocess.DEVNULL) as program:
        assert program.stderr is not None
        for line in program.stderr:
            if line.startswith((f"import '{module}'", f"# code object from '{module}'")):
                program.send_signal(signal.SIGINT)
                break
        rest = program.stderr.read()
        assert "Traceback" not in rest
        assert program.wait(60) == -signal.SIGINT
