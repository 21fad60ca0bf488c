"""Picture files -> upright RGB arrays. One reader for `predict`, the replay camera and training."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np

from edge import MAX_PICTURE_PIXELS
from edge.errors import PictureError
from edge.records import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
MOST_BYTES = 8 * MAX_PICTURE_PIXELS  # of a file: four channels of 16 bits, not compressed
MIN_SIDE_PX = 16  # a hand in fewer pixels than this can't be told from a smudge
MAX_SIDE_PX = 12_000  # a square that holds the whole picture is made of it: 430 MB


def decode_picture(data: bytes, name: str) -> Image:
    """Bytes of a picture file -> (H, W, 3) uint8 RGB, turned upright by its EXIF tag.

    Grey, 16-bit, CMYK and alpha are converted; PictureError says in one sentence what can't be read.
    """
    if not data:
        raise PictureError(f"{name}: the file is empty (0 bytes)")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise PictureError(_too_large(name)) from None
        bgr = None
    if bgr is None:
        raise PictureError(f"{name}: not a picture that OpenCV can decode, or cut off")
    height, width = bgr.shape[:2]
    if max(height, width) > MAX_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too long; at most {MAX_SIDE_PX} px a side")
    if height * width > MAX_PICTURE_PIXELS:  # a program that imports cv2 before edge gets here
        raise PictureError(_too_large(name))
    if min(height, width) < MIN_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too small; at least {MIN_SIDE_PX} px a side")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _too_large(name: str) -> str:
    return f"{name}: larger than {MAX_PICTURE_PIXELS // 1_000_000} megapixels; scale it down first"


def read_picture(path: Path) -> Image:
    """A picture file -> (H, W, 3) uint8 RGB, upright. PictureError where it can't be read."""
    try:
        data = _bytes_of(path)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"{path}: {reason.lower()}") from None
    return decode_picture(data, str(path))


def _bytes_of(path: Path) -> bytes:
    """All of a file; PictureError where there may be no end to it."""
    with path.open("rb") as file:
        kind = os.fstat(file.fileno())
        if stat.S_ISCHR(kind.st_mode):
            raise PictureError(f"{path}: a device, not a picture file")
        if kind.st_size > MOST_BYTES:
            raise PictureError(f"{path}: {kind.st_size // 1_000_000:,} MB; no picture is so large")
        return file.read()
