"""The palm detector finds real hands, near and far, and nothing on a plain wall."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.geometry import box_around, square_around, square_iou
from edge.hand.palm_detector import MAX_HANDS, MediaPipePalmDetector, no_palms
from edge.pictures import read_picture
from train.synthetic.drawn import draw_background

DATA = Path(os.environ.get("ASL_EDGE_DATA", Path(__file__).parents[3] / "shared" / "data" / "asl-frames"))


def test_plain_wall_shows_no_palm() -> None:
    find = MediaPipePalmDetector()
    for shade in (20, 128, 230):
        assert find(np.full((480, 640, 3), shade, np.uint8)) == []


def test_at_most_two_palms_are_returned() -> None:
    find, rng = MediaPipePalmDetector(), np.random.default_rng(0)
    assert all(len(find(draw_background(rng, 256))) <= MAX_HANDS for _ in range(5))


def test_no_palms_finds_none() -> None:
    assert no_palms(np.zeros((480, 640, 3), np.uint8)) == []


def labelled(kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture, (21, 2) px) of every 20th labelled photograph of that kind."""
    if not (DATA / "manifest.csv").is_file():
        pytest.skip(f"no photographs at {DATA}: set ASL_EDGE_DATA")
    with (DATA / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == kind and row["hand0_x"]]
    return [
        (
            read_picture(DATA / row["file"]),
            np.array([[float(row[f"hand{i}_{axis}"]) for axis in "xy"] for i in range(21)], np.float32),
        )
        for row in rows[::20]
    ]


@pytest.mark.parametrize(("kind", "smaller"), [("frame", 1), ("frame", 2), ("context", 1)])
def test_hands_of_photographs_are_found(kind: str, smaller: int) -> None:
    """`smaller`: the picture is reduced and put on a wall, so that the hand looks as far as across a room."""
    find, found = MediaPipePalmDetector(), []
    for picture, points in labelled(kind):
        height, width = (side // smaller for side in picture.shape[:2])
        scene = np.full_like(picture, 120)
        scene[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        expected = square_around(box_around(points / smaller))
        found.append(any(square_iou(palm.square, expected) > 0.25 for palm in find(scene)))
    assert np.mean(found) >= 0.9
