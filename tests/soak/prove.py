"""`make test-soak`: many frames in one process; fails if memory, descriptors or threads grow.

The real loop runs at full speed with the page, a real mosquitto, metrics and taught letters, while watchers
of the page come and go, log in and teach. The network is one of 15 kB on onnxruntime, which reads letters
from the brightness of pictures, because the soak is about what surrounds the network: with the shipped one,
300,000 frames take hours.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak.crowd import Crowd

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
TOKEN = secrets.token_hex(16)
SETTLE_S = 3.0  # without watchers, before a measurement
WARM_UP = 0.1  # of the frames, at least WARM_UP_FRAMES: allocators and caches fill
WARM_UP_FRAMES = 1500
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
# what may be added between the measurements: allocators, not leaks. 100 bytes a frame are 30 MB.
MAX_MORE_MB, MAX_MORE_DESCRIPTORS, MAX_MORE_THREADS, MAX_TIMES_LATENCY = 8.0, 0, 0, 5.0


@dataclass(frozen=True)
class Usage:
    """What a process uses."""

    memory_mb: float
    descriptors: int
    threads: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300_000)
    arguments = parser.parse_args()
    if not Path(MOSQUITTO).exists():
        parser.error("mosquitto is not installed: apt install mosquitto")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = str(folder / "package")
        with (folder / "log").open("w") as log:  # torch is not to be in the process that is measured
            subprocess.run(
                [sys.executable, "-m", "soak.package", package, name], env=ENVIRONMENT, stderr=log, check=True
            )
        (folder / "token").write_text(TOKEN)
        broker_port, page_port = free_port(), free_port()
        (folder / "mosquitto.conf").write_text(
            f"listener {broker_port} 127.0.0.1\nuser root\nallow_anonymous true\n"
        )
        broker = subprocess.Popen(
            [MOSQUITTO, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
        )
        try:
            return soak(package, folder, page_port, broker_port, arguments.frames)
        finally:
            broker.terminate()
            broker.wait()


def soak(package: str, folder: Path, page_port: int, broker_port: int, frames: int) -> int:
    """Run the loop, measure it after the warm-up and at the end, print the page, and return the exit code."""
    words = [package, "float", str(folder), str(page_port), str(broker_port), str(frames)]
    command = [sys.executable, "-m", "soak.looper", *words]
    log = folder / "log"
    with log.open("w") as stderr:
        loop = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, env=ENVIRONMENT
        )
    assert loop.stdout is not None
    assert loop.stdin is not None
    started_s = time.monotonic()
    crowd = Crowd(page_port, TOKEN)
    first: tuple[dict[str, Usage], float] | None = None
    reports: list[dict[str, Any]] = []
    letters = 0
    for line in loop.stdout:
        report = json.loads(line)
        if "letters" in report:
            letters = report["letters"]
            break
        reports.append(report)
        if first is None and report["frames"] >= max(WARM_UP_FRAMES, WARM_UP * frames):
            crowd.leave()
            first = measure(loop.pid), latency_ms(reports)
            visits_before = crowd.visits
        if not crowd.is_here:
            crowd.come()
    crowd.leave()
    last = measure(loop.pid), latency_ms(reports)
    seconds = time.monotonic() - started_s
    loop.stdin.write("\n")
    loop.stdin.close()
    code = loop.wait(60)
    if first is None or code:
        print(f"the loop ended early, with exit code {code}: {log.read_text()}", file=sys.stderr)
        return 1
    print(f"{reports[-1]['frames']:,} frames in {seconds:.0f} s, {crowd.visits:,} visits to the page,")
    print(f"{crowd.visits - visits_before:,} of them between the two measurements, {letters:,} letters\n")
    grew = print_page(first, last, log.read_text())
    return 0 if letters and crowd.visits > visits_before and not grew else 1


def print_page(
    first: tuple[dict[str, Usage], float], last: tuple[dict[str, Usage], float], log: str
) -> list[str]:
    """Print the table, and return what grew."""
    grew = []
    print(f"| {'':32} | {'at the start':>12} | {'at the end':>12} |\n| --- | --- | --- |")
    for process, before in first[0].items():
        after = last[0][process]
        for what, limit in (
            ("memory_mb", MAX_MORE_MB),
            ("descriptors", MAX_MORE_DESCRIPTORS),
            ("threads", MAX_MORE_THREADS),
        ):
            values = getattr(before, what), getattr(after, what)
            name = f"{process}: {what.replace('_mb', ', MB')}"
            print(f"| {name:32} | {values[0]:12.5g} | {values[1]:12.5g} |")
            if values[1] - values[0] > limit:
                grew.append(name)
    print(f"| {'time for a frame, ms (median)':32} | {first[1]:12.2f} | {last[1]:12.2f} |")
    if last[1] > MAX_TIMES_LATENCY * first[1]:
        grew.append("time for a frame")
    problems = [line for line in log.splitlines() if "page is at" not in line and "connected to" not in line]
    if problems:
        grew.append("the log")
        print("\n".join(problems[:20]))
    print(f"\n{'FAILED, these grew: ' + ', '.join(grew) if grew else 'nothing grew'}", flush=True)
    return grew


def measure(loop: int) -> dict[str, Usage]:
    """Return what the loop's process and the page's use, after the watchers have left."""
    time.sleep(SETTLE_S)
    tasks = Path(f"/proc/{loop}/task").iterdir()
    page = next(int(pid) for task in tasks for pid in (task / "children").read_text().split())
    return {"loop": usage(loop), "page": usage(page)}


def usage(process: int) -> Usage:
    status = Path(f"/proc/{process}/status").read_text()
    values = {
        key: int(value) for key, value in re.findall(r"^(VmRSS|Threads):\s*(\d+)", status, re.MULTILINE)
    }
    return Usage(values["VmRSS"] / 1024, len(list(Path(f"/proc/{process}/fd").iterdir())), values["Threads"])


def latency_ms(reports: list[dict[str, Any]]) -> float:
    """Return the median time for a frame in the last reports."""
    newest = sorted(report["ms"] for report in reports[-5:])
    return float(newest[len(newest) // 2])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
