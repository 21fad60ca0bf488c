"""The pixel contract: a square cut from a picture -> the tensor that the network reads.

One copy, used by training, export and the device alike; `tests/edge/test_preprocess.py` holds all three to
the same golden tensors.
"""

import math

import cv2
import numpy as np

from edge.records import Array, Image

MEAN_RGB = (0.485, 0.456, 0.406)  # of ImageNet, 0..1: what torchvision's pretrained ResNet-18 expects
STD_RGB = (0.229, 0.224, 0.225)
BORDER_RGB = (
    124,
    116,
    104,
)  # MEAN_RGB * 255: a square that leaves the picture sees the mean there, i.e. zeros

# Up to so many pixels for one, bilinear sampling is as good as averaging and several times quicker (0.13 for
# 0.78 ms from 340 to 224 px); training's crops are cut so, too.
BILINEAR = 2.0
AROUND = 1.42  # a square of so many sides holds a turned one, whichever way it is turned

# Where the brightest hundredth of a picture is darker than DARK, of 255, it is shown as if that were LIT: at
# 235 more noise shows, too, and fewer letters are right. At most MOST_GAIN times as bright, or a covered lens
# would be all noise. benchmarks/dark.py says what it is worth; of 8,836 photographs of six sources one
# is so dark.
DARK, LIT, MOST_GAIN = 100.0, 170.0, 8.0
LOOKED_AT = 64  # pixels along the shorter side

Square = tuple[float, float, float]  # centre x, centre y, side; px in the picture


def brighten(image: Image) -> Image:
    """(H, W, 3) -> the same where there was light enough; one taken in the dark as if there had been."""
    step = max(1, min(image.shape[:2]) // LOOKED_AT)
    brightest = float(np.percentile(image[::step, ::step].max(axis=2), 99))
    if brightest >= DARK:
        return image
    gain = min(LIT / max(brightest, 1.0), MOST_GAIN)
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)


def whole_square(image: Image) -> Square:
    """The smallest square that holds the whole picture, centred on it."""
    height, width = image.shape[:2]
    return width / 2, height / 2, float(max(width, height))


def cut_square(image: Image, square: Square, size_px: int, turn_rad: float = 0.0) -> Image:
    """(H, W, 3) and a square of it -> (S, S, 3) uint8; outside the picture is BORDER_RGB.

    Edges are rounded to whole pixels; bilinear, but for what is shrunk to less than 1 / BILINEAR: that is
    averaged. `turn_rad`: the square's upper side points so far clockwise of up, and is up in what comes back.
    """
    if turn_rad:
        return _cut_turned(image, square, size_px, turn_rad)
    cx, cy, side = square
    side_px = max(1, round(side))
    x0, y0 = math.floor(cx - side / 2 + 0.5), math.floor(cy - side / 2 + 0.5)
    height, width = image.shape[:2]
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + side_px, width), min(y0 + side_px, height)
    if right <= left or bottom <= top:
        return np.full((size_px, size_px, 3), BORDER_RGB, np.uint8)
    cut = image[top:bottom, left:right]
    if (right - left, bottom - top) != (side_px, side_px):
        pad = (top - y0, y0 + side_px - bottom, left - x0, x0 + side_px - right)
        cut = cv2.copyMakeBorder(cut, *pad, cv2.BORDER_CONSTANT, value=BORDER_RGB)  # type: ignore[assignment]
    how = cv2.INTER_AREA if side_px > BILINEAR * size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (size_px, size_px), interpolation=how), np.uint8)


def rotation(turn_rad: float) -> Array:
    """(2, 2): a direction, x and y in px -> the same turned clockwise."""
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    return np.array([[cos, -sin], [sin, cos]], np.float32)


def _cut_turned(image: Image, square: Square, size_px: int, turn_rad: float) -> Image:
    cx, cy, side = square
    if side > BILINEAR * size_px:  # averaged first, in a square that holds the turned one
        around_px = round(size_px * AROUND)
        image = cut_square(image, (cx, cy, side * AROUND), around_px)
        cx = cy = around_px / 2
        side = float(size_px)
    turn = rotation(turn_rad) * np.float32(side / size_px)
    offset = np.array([cx, cy]) - 0.5 - turn @ np.full(2, (size_px - 1) / 2)  # a pixel's middle is its place
    return np.asarray(
        cv2.warpAffine(
            image,
            np.column_stack([turn, offset]),
            (size_px, size_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=BORDER_RGB,
        ),
        np.uint8,
    )


def to_tensor(crop: Image) -> Array:
    """(S, S, 3) RGB uint8 -> (1, 3, S, S) float32: divided by 255, less the mean, over the deviation."""
    scale = np.array([1 / (255 * s) for s in STD_RGB], np.float32)
    shift = np.array([m / s for m, s in zip(MEAN_RGB, STD_RGB, strict=True)], np.float32)
    planes = np.array(crop.transpose(2, 0, 1)[None], np.float32, order="C")  # first: whole planes go faster
    planes *= scale[:, None, None]
    planes -= shift[:, None, None]
    return planes
