"""Pictures for tests: synthetic scenes, and the labelled photographs."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.records import LETTERS, Image


def scene(seed: int, height: int = 64, width: int = 64) -> Image:
    """Draw (H, W, 3) uint8: soft patches of colour, different for every seed."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def save(path: Path, image: Image) -> Path:
    """Write an RGB picture in the format of the suffix, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def photographs() -> Path:
    """Return the folder of the labelled photographs, or skip the test if there is none."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("ASL_EDGE_DATA", beside))
    if not (folder / "asl-frames" / "manifest.csv").is_file():
        pytest.skip(f"no photographs at {folder}: set ASL_EDGE_DATA to the folder that holds asl-frames/")
    return folder


def find_similar_letters(pictures: dict[str, Image], fraction: float) -> list[tuple[str, str]]:
    """Return pairs of letters on grey (128) that differ in at most this fraction of a hand's pixels."""
    values = {letter: picture.astype(int) for letter, picture in pictures.items()}
    hand_px = min((np.abs(picture - 128).max(axis=2) > 10).sum() for picture in values.values())
    return [
        (a, b)
        for a in LETTERS
        for b in LETTERS[LETTERS.index(a) + 1 :]
        if (np.abs(values[a] - values[b]).max(axis=2) > 25).sum() <= fraction * hand_px
    ]
