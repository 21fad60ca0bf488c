"""The pixel contract: crop a square from a picture, convert it to the tensor that the network reads.

Training, export and the device share this one copy; `tests/edge/test_preprocess.py` compares all three with
the same golden tensors.
"""

import math

import cv2
import numpy as np

from edge.geometry import Square, rotation_matrix
from edge.records import Array, Image

MEAN_RGB = (0.485, 0.456, 0.406)  # of ImageNet, 0..1: what torchvision's pretrained ResNet-18 expects
STD_RGB = (0.229, 0.224, 0.225)
# outside the picture a square shows MEAN_RGB * 255, which the network sees as 0
BORDER_RGB = (124, 116, 104)

# A square that is reduced by at most this factor is sampled bilinearly; beyond it, pixels are averaged. See
# docs/experiments.md, "Bilinear crops".
MAX_BILINEAR_FACTOR = 2.0
ROTATED_MARGIN = 1.42  # a square this many times as large holds a rotated one in every direction

# A picture is dark if its brightest hundredth is below DARK_LEVEL of 255. It is amplified until that
# hundredth is at TARGET_LEVEL, at most by MAX_GAIN: a covered lens would show nothing but noise. See
# docs/experiments.md, "Dark pictures".
DARK_LEVEL, TARGET_LEVEL, MAX_GAIN = 100.0, 170.0, 8.0
SAMPLES = 64  # along the shorter side, to measure brightness


def brighten(image: Image) -> Image:
    """Amplify a dark picture (H, W, 3); return any other unchanged."""
    step = max(1, min(image.shape[:2]) // SAMPLES)
    brightest = float(np.percentile(image[::step, ::step].max(axis=2), 99))
    if brightest >= DARK_LEVEL:
        return image
    gain = min(TARGET_LEVEL / max(brightest, 1.0), MAX_GAIN)
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)


def whole_square(image: Image) -> Square:
    """Return the smallest square that holds the whole picture, centred on it."""
    height, width = image.shape[:2]
    return width / 2, height / 2, float(max(width, height))


def crop_square(image: Image, square: Square, size_px: int, rotation_rad: float = 0.0) -> Image:
    """Crop a square from a picture (H, W, 3) and scale it to (S, S, 3) uint8; outside is BORDER_RGB.

    The edges are rounded to whole pixels. `rotation_rad`: the direction in the picture, clockwise from up,
    that is up in the crop.
    """
    if rotation_rad:
        return _crop_rotated(image, square, size_px, rotation_rad)
    cx, cy, side = square
    side_px = max(1, round(side))
    x0, y0 = math.floor(cx - side / 2 + 0.5), math.floor(cy - side / 2 + 0.5)
    height, width = image.shape[:2]
    left, top = max(x0, 0), max(y0, 0)
    right, bottom = min(x0 + side_px, width), min(y0 + side_px, height)
    if right <= left or bottom <= top:
        return np.full((size_px, size_px, 3), BORDER_RGB, np.uint8)
    crop = image[top:bottom, left:right]
    if (right - left, bottom - top) != (side_px, side_px):
        pad = (top - y0, y0 + side_px - bottom, left - x0, x0 + side_px - right)
        crop = cv2.copyMakeBorder(crop, *pad, cv2.BORDER_CONSTANT, value=BORDER_RGB)  # type: ignore[assignment]
    method = cv2.INTER_AREA if side_px > MAX_BILINEAR_FACTOR * size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (size_px, size_px), interpolation=method), np.uint8)


def _crop_rotated(image: Image, square: Square, size_px: int, rotation_rad: float) -> Image:
    cx, cy, side = square
    if side > MAX_BILINEAR_FACTOR * size_px:  # average first, in a square that holds the rotated one
        larger_px = round(size_px * ROTATED_MARGIN)
        image = crop_square(image, (cx, cy, side * ROTATED_MARGIN), larger_px)
        cx = cy = larger_px / 2
        side = float(size_px)
    matrix = rotation_matrix(rotation_rad) * np.float32(side / size_px)
    # a pixel's position is its centre
    offset = np.array([cx, cy]) - 0.5 - matrix @ np.full(2, (size_px - 1) / 2)
    return np.asarray(
        cv2.warpAffine(
            image,
            np.column_stack([matrix, offset]),
            (size_px, size_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=BORDER_RGB,
        ),
        np.uint8,
    )


def to_tensor(crop: Image) -> Array:
    """Convert a crop (S, S, 3) RGB uint8 to (1, 3, S, S) float32: (crop / 255 - mean) / deviation."""
    scale = np.array([1 / (255 * s) for s in STD_RGB], np.float32)
    shift = np.array([m / s for m, s in zip(MEAN_RGB, STD_RGB, strict=True)], np.float32)
    # copied first, because arithmetic on contiguous planes is faster
    planes = np.array(crop.transpose(2, 0, 1)[None], np.float32, order="C")
    planes *= scale[:, None, None]
    planes -= shift[:, None, None]
    return planes


def scale_down(image: Image, max_side_px: int) -> Image:
    """Return the picture with a longer side of at most `max_side_px`; pixels are averaged."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
