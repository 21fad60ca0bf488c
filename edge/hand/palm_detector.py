"""Find palms in a whole picture with MediaPipe's palm detector, which has seen the hands of many people.

`palm_detection_lite.onnx` is the model of MediaPipe 0.10.21 (Google, Apache-2.0) with unchanged weights
(float16). `python -m train.model.from_tflite` wrote it from the file of the same name in that release's
wheel. The detector runs only while no hand is tracked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.engines.session import open_session
from edge.geometry import Square, box_iou, direction_rad
from edge.logits import sigmoid
from edge.preprocess import crop_square, whole_square
from edge.records import Array, Box, Image

MODEL_FILE = Path(__file__).parent / "palm_detection_lite.onnx"
SIZE_PX = 192
# Every cell of the grid at stride 8 has two anchors and every cell at stride 16 has six, all at the cell's
# centre: MediaPipe's palm_detection_cpu.pbtxt, four layers of strides 8, 16, 16, 16 with two anchors each.
GRIDS = ((24, 2), (12, 6))  # cells a side, anchors a cell
# 0..1; MediaPipe's own is 0.5. Low, because the other network decides what is a hand: see
# docs/experiments.md, "Palm detector threshold".
MIN_SCORE = 0.15
SAME_HAND_IOU = 0.3  # boxes that overlap by more belong to one hand
MAX_HANDS = 2
WRIST, MIDDLE_KNUCKLE = 0, 2  # of the seven keypoints of a palm
# From the palm's box to the square around the whole hand, in units of the box's side: the shift from the
# box's centre towards the knuckles, and the square's side. See docs/experiments.md, "From the palm to the
# hand".
SHIFT, SCALE = 0.5, 2.8


class Palm(NamedTuple):
    """Where a hand is, and in which direction it points."""

    square: Square  # around the whole hand
    rotation_rad: float  # clockwise from up


PalmDetector = Callable[[Image], list[Palm]]


def no_palms(image: Image) -> list[Palm]:
    """Find no palm in any picture, so that the whole picture is viewed."""
    return []


class MediaPipePalmDetector:
    """Find up to MAX_HANDS palms in a picture (H, W, 3) RGB, likeliest first."""

    def __init__(self, threads: int = 1) -> None:
        self._session = open_session(MODEL_FILE, threads, spinning=False, advice="install asl-edge again")

    def __call__(self, image: Image) -> list[Palm]:
        cx, cy, side = whole_square(image)
        crop = crop_square(image, (cx, cy, side), SIZE_PX).astype(np.float32) / 255
        values, logits = self._session.run(
            None, {"image": np.ascontiguousarray(crop.transpose(2, 0, 1)[None])}
        )
        corner = np.array([cx - side / 2, cy - side / 2])
        palms = []
        for keypoints in _decode(values[0], logits[0, :, 0]):
            x, y, size = _hand_square(keypoints)
            square = float(corner[0] + x * side), float(corner[1] + y * side), float(size * side)
            dx, dy = _wrist_to_knuckle(keypoints).tolist()
            palms.append(Palm(square, direction_rad(dx, dy)))
        return palms


def _build_anchors() -> Array:
    """(2016, 2) x and y, 0..1."""
    centres = []
    for cells, anchors in GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        centres.append(np.repeat(grid, anchors, axis=0))
    return np.concatenate(centres).astype(np.float32)


ANCHORS = _build_anchors()


def _decode(values: Array, logits: Array) -> list[Array]:
    """(2016, 18) and (2016,) -> a (9, 2) for each palm, in fractions of the picture, likeliest first.

    The rows are the centre of the palm's box, its size, and seven keypoints.
    """
    scores = sigmoid(logits)
    order = [int(i) for i in np.argsort(-scores) if scores[i] >= MIN_SCORE]
    all_palms = values.reshape(-1, 9, 2) / np.float32(SIZE_PX)
    palms: list[Array] = []
    for i in order:
        palm = all_palms[i] + ANCHORS[i]
        palm[1] = all_palms[i, 1]  # a size is not relative to the anchor
        if all(box_iou(_palm_box(palm), _palm_box(other)) < SAME_HAND_IOU for other in palms):
            palms.append(palm)
        if len(palms) == MAX_HANDS:
            break
    return palms


def _palm_box(palm: Array) -> Box:
    x0, y0 = (palm[0] - palm[1] / 2).tolist()
    x1, y1 = (palm[0] + palm[1] / 2).tolist()
    return x0, y0, x1, y1


def _wrist_to_knuckle(palm: Array) -> Array:
    """(9, 2) -> (2,) vector from the wrist to the middle finger's knuckle."""
    keypoints = palm[2:]
    return np.asarray(keypoints[MIDDLE_KNUCKLE] - keypoints[WRIST], np.float32)


def _hand_square(palm: Array) -> Square:
    """(9, 2) -> the square around the whole hand, fingers included, in fractions of the picture."""
    direction = _wrist_to_knuckle(palm)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-6)
    size = float(palm[1].max())
    x, y = palm[0] + SHIFT * size * direction
    return float(x), float(y), SCALE * size
