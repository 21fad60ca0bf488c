"""Pictures for tests: made scenes that no two seeds share, and the way to the photographs."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.records import LETTERS, Image


def scene(seed: int, height: int = 64, width: int = 64) -> Image:
    """(H, W, 3) uint8: soft patches of colour, as unlike any other seed's as two rooms are."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def save(path: Path, image: Image) -> Path:
    """Writes an RGB picture in the format of the suffix; makes the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def photographs() -> Path:
    """The folder of the labelled photographs; the test is skipped where they are absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("ASL_EDGE_DATA", beside))
    if not (folder / "asl-frames" / "manifest.csv").is_file():
        pytest.skip(f"no photographs at {folder}: set ASL_EDGE_DATA to the folder that holds asl-frames/")
    return folder


def letters_alike(pictures: dict[str, Image], share: float) -> list[tuple[str, str]]:
    """Pairs of letters on grey (128) whose pictures differ in no more than that share of a hand's pixels."""
    seen = {letter: picture.astype(int) for letter, picture in pictures.items()}
    hand_px = min((np.abs(picture - 128).max(axis=2) > 10).sum() for picture in seen.values())
    return [
        (a, b)
        for a in LETTERS
        for b in LETTERS[LETTERS.index(a) + 1 :]
        if (np.abs(seen[a] - seen[b]).max(axis=2) > 25).sum() <= share * hand_px
    ]
