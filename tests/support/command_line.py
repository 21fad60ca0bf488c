"""Run the real `asl-edge` as a user runs it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ASL_EDGE = [sys.executable, "-m", "edge"]
# without the variables that edge must set by itself, for example to switch telemetry off
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "OPENCV_", "XDG_"))
}


def asl_edge(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `asl-edge` with these arguments until it ends. The options are those of subprocess.run."""
    command = [*ASL_EDGE, *map(str, arguments)]
    options = {"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def start_asl_edge(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start `asl-edge` with pipes for its standard streams. The options are those of subprocess.Popen."""
    pipe = subprocess.PIPE
    options = {"env": ENVIRONMENT, "stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True, **options}
    return subprocess.Popen([*ASL_EDGE, *map(str, arguments)], **options)


def parse_json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def read_refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Check that the program printed one line to standard error and exited with 2; return the line."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("asl-edge: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def asl_edge_peak_mb(*arguments: str | Path) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run `asl-edge` like asl_edge(); return also the largest resident memory of one of its processes, MB."""
    return run_peak_mb([*ASL_EDGE, *map(str, arguments)])


def run_peak_mb(command: list[str]) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a command; return also the largest resident memory of one of its processes, in MB."""
    code = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[2:])\n"
        "peak_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "open(sys.argv[1], 'w').write(str(peak_kb)); sys.exit(code)"
    )
    with tempfile.NamedTemporaryFile("r") as peak:
        done = subprocess.run(
            [sys.executable, "-c", code, peak.name, *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
        )
        return done, int(peak.read()) / 1000
