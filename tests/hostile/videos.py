"""Mutated videos of three formats, replayed by `asl-edge run`."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from cost import run_measured
from pictures import build_model, mutate
from row import Row

MAX_MB, MAX_S = 500.0, 10.0  # of a video of 20 frames
CODECS = {"avi": "MJPG", "mp4": "mp4v", "mkv": "mp4v"}


def attack(short: bool) -> Iterator[Row]:
    """Yield one row: the tries of all formats."""
    rng = random.Random(28)
    tried = held = read = 0
    worst_s = worst_mb = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_model(folder / "model")
        seeds = {kind: _make_video(folder / f"seed.{kind}", codec) for kind, codec in CODECS.items()}
        for kind, seed in list(seeds.items()) * (1 if short else 20):
            file = folder / f"video.{kind}"
            file.write_bytes(mutate(rng, seed))
            code, lines, s, mb = run_measured(
                ["run", "--model", str(folder / "model"), "--camera", f"replay:{file}", "--output", "none"]
            )
            is_said = all(line.isprintable() and line.startswith("asl-edge: ") for line in lines)
            tried += 1
            read += code == 0
            held += code in (0, 2) and len(lines) in (1, 2) and is_said and s <= MAX_S and mb <= MAX_MB
            worst_s, worst_mb = max(worst_s, s), max(worst_mb, mb)
    note = f"{read} are read, {tried - read} refused in one sentence"
    yield Row("mutated videos, with the start of the program", tried, held, worst_s, worst_mb, note)


def _make_video(file: Path, codec: str) -> bytes:
    """Return a video of 20 frames of moving noise, 160x120 px."""
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec), 10, (160, 120))
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for shift in range(20):
        writer.write(np.roll(noise, shift, axis=1))
    writer.release()
    return file.read_bytes()
