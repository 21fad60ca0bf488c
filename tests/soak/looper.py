"""The process that is measured: the real loop at full speed, with everything beside it switched on.

python -m soak.looper PACKAGE VARIANT FOLDER PORT BROKER_PORT FRAMES prints a JSON line every REPORT_EVERY
frames: the number of frames, and the median time for one of them in ms. The last line counts the letters.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.build import build_components, observing
from edge.pipeline import run
from edge.records import CameraState, Frame, LoopStep
from edge.settings import Settings
from edge.system.logs import start_log
from edge.system.systemd import Service

REPORT_EVERY = 500
PICTURE_S = 0.8
LEVELS = {"H": 110, "E": 145, "L": 180, "O": 215}  # a letter is a grey level: soak/package.py
NO_HAND = 255


class FullSpeedCamera:
    """Yields the picture that is due whenever it is asked: a signer in real time, without waits."""

    def __init__(self) -> None:
        self.dropped = 0
        levels = [level for letter in "HELLO" for level in (LEVELS[letter], NO_HAND)]
        self._pictures = [np.full((240, 320, 3), level, np.uint8) for level in levels]

    def __enter__(self) -> "FullSpeedCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def state(self) -> CameraState:
        return CameraState("soak", "live", 0, 0.0, 0)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while True:
            now = time.monotonic()
            yield Frame(self._pictures[int(now / PICTURE_S) % len(self._pictures)], now, index)
            index += 1


def main(package: str, variant: str, folder: str, port: str, broker: str, frames: str) -> None:
    start_log()
    settings = replace(
        Settings(),
        model=package,
        variant=variant,
        state_dir=folder,
        output=str(Path(folder) / "letters.jsonl"),
        page=f"127.0.0.1:{port}",
        page_token_file=str(Path(folder) / "token"),
        page_metrics=True,
        mqtt=f"mqtt://127.0.0.1:{broker}",
        skip_still_frames=False,
        # when words exist, their setting belongs here
    )
    stop = threading.Event()
    parts = build_components(settings, stop)
    camera = FullSpeedCamera()
    times_s: list[float] = []
    last_s, done = time.monotonic(), 0

    def report(step: LoopStep) -> None:
        nonlocal last_s, done
        now, done = time.monotonic(), done + 1
        times_s.append(now - last_s)
        last_s = now
        if len(times_s) == REPORT_EVERY:
            print(json.dumps({"frames": done, "ms": 1000 * statistics.median(times_s)}), flush=True)
            times_s.clear()
        if done >= int(frames):
            stop.set()

    service = Service()
    with observing(parts) as observers:
        every = [*observers, service.observe, report]
        summary = run(camera, parts.tracker, parts.letters, every, stop)
        print(json.dumps({"letters": summary.letters}), flush=True)
        sys.stdin.readline()  # the last measurement follows


if __name__ == "__main__":
    main(*sys.argv[1:])
