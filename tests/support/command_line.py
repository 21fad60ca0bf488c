"""The real program, started as a user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ASL_EDGE = [sys.executable, "-m", "edge"]
# edge switches telemetry off by itself; nothing of the tests' own environment may help it
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "OPENCV_", "XDG_"))
}


def asl_edge(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*ASL_EDGE, *map(str, arguments)]
    options = {"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def started(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    options = {"env": ENVIRONMENT, "stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True, **options}
    return subprocess.Popen([*ASL_EDGE, *map(str, arguments)], **options)


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of an error that the user can mend."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("asl-edge: ")
    assert done.stderr.count("\n") == 1
    return done.stderr
