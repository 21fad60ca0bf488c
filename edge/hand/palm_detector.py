"""Where in a whole picture are hands: MediaPipe's palm detector, which has seen those of very many people.

`palm_detection_lite.onnx` is that of MediaPipe 0.10.21 (Google, Apache-2.0), its weights unchanged (float16),
written by `python -m train.model.from_tflite` from the file of the same name in that release's wheel. It is
asked only where no hand is being followed; what the hand signs, and where it goes, is the other network's
matter.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.engines.session import open_session
from edge.preprocess import Square, cut_square, whole_square
from edge.records import Array, Image

FILE = Path(__file__).parent / "palm_detection_lite.onnx"
SIZE_PX = 192
# Anchors: at every cell of the grid at stride 8 two, of that at stride 16 six, all of them at the cell's
# centre; MediaPipe's palm_detection_cpu.pbtxt (four layers of strides 8, 16, 16, 16, two anchors each).
GRIDS = ((24, 2), (12, 6))  # cells a side, anchors a cell
# 0..1. MediaPipe's own is 0.5; of the labelled hands that misses 2 to 18 % a source, 0.3 at most 7 %, and 0.1
# none. The other network still has its say.
MIN_SCORE = 0.15
SAME_HAND = 0.3  # boxes that overlap by more (intersection over union) are of one hand
MOST_HANDS = 2
WRIST, MIDDLE_KNUCKLE = 0, 2  # of the seven points of a palm
# From the palm's box to the square that `edge.hand.reader` reads, in units of the box's side: how far from
# its middle towards the knuckles, and how large: of a grid of values, those whose squares overlap most with
# the ones around the points of 400 labelled photographs (0.66 on average).
SHIFT, SCALE = 0.5, 2.8


class Palm(NamedTuple):
    """Where to look for the hand, and how far clockwise of up it points."""

    square: Square
    turn_rad: float


PalmDetector = Callable[[Image], list[Palm]]


def no_palms(image: Image) -> list[Palm]:
    """No detector: it names no hand, so that all of the picture is looked at."""
    return []


class MediaPipePalmDetector:
    """(H, W, 3) RGB -> hands to read, the likeliest first; none where no palm is seen."""

    def __init__(self, threads: int = 1) -> None:
        self._session = open_session(FILE, threads, spinning=False, advice="install asl-edge again")

    def __call__(self, image: Image) -> list[Palm]:
        shown = whole_square(image)
        crop = cut_square(image, shown, SIZE_PX).astype(np.float32) / 255
        values, scores = self._session.run(
            None, {"image": np.ascontiguousarray(crop.transpose(2, 0, 1)[None])}
        )
        cx, cy, side = shown
        corner, found = np.array([cx - side / 2, cy - side / 2]), []
        for palm in _palms(values[0], scores[0, :, 0]):
            x, y, size = _square(palm)
            square = float(corner[0] + x * side), float(corner[1] + y * side), float(size * side)
            found.append(Palm(square, _turn_of(palm)))
        return found


def _anchors() -> Array:
    """(2016, 2) x and y, 0..1."""
    centres = []
    for cells, each in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(grid, each, axis=0))
    return np.concatenate(centres).astype(np.float32)


ANCHORS = _anchors()


def _palms(values: Array, scores: Array) -> list[Array]:
    """(2016, 18) and (2016,) logits -> a (9, 2) a hand, fractions of the picture: the middle of the palm's
    box, its size, seven points; the likeliest first, at most MOST_HANDS."""
    score = 1 / (1 + np.exp(-np.clip(scores, -50, 50)))
    order = [int(i) for i in np.argsort(-score) if score[i] >= MIN_SCORE]
    palms = values.reshape(-1, 9, 2) / np.float32(SIZE_PX)
    taken: list[Array] = []
    for i in order:
        palm = palms[i] + ANCHORS[i]
        palm[1] = palms[i, 1]  # a size has no place
        if all(_overlap(palm, other) < SAME_HAND for other in taken):
            taken.append(palm)
        if len(taken) == MOST_HANDS:
            break
    return taken


def _overlap(a: Array, b: Array) -> float:
    """Intersection over union of two palms' boxes."""
    low = np.maximum(a[0] - a[1] / 2, b[0] - b[1] / 2)
    high = np.minimum(a[0] + a[1] / 2, b[0] + b[1] / 2)
    both = float(np.prod(np.maximum(high - low, 0)))
    return both / max(float(a[1].prod() + b[1].prod()) - both, 1e-9)


def _along(palm: Array) -> Array:
    """(9, 2) -> (2,) from the wrist to the middle finger's knuckle."""
    points = palm[2:]
    return np.asarray(points[MIDDLE_KNUCKLE] - points[WRIST], np.float32)


def _turn_of(palm: Array) -> float:
    """(9, 2) -> how far clockwise of up it points; radians."""
    x, y = _along(palm).tolist()
    return math.atan2(x, -y)


def _square(palm: Array) -> Square:
    """(9, 2) -> the square around the whole hand, fractions: the fingers lie beyond the knuckles."""
    along = _along(palm)
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    size = float(palm[1].max())
    x, y = palm[0] + SHIFT * size * along
    return float(x), float(y), SCALE * size
