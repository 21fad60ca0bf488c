"""Picture files -> upright RGB arrays, for `predict`, the replay camera and training."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np

from edge import MAX_PICTURE_PIXELS
from edge.errors import PictureError, os_errors_as
from edge.records import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
MAX_BYTES = 8 * MAX_PICTURE_PIXELS  # of a file: four channels of 16 bits, uncompressed
PIPES = (Path("/dev/fd"), Path("/proc/self/fd"))  # where a shell puts the pipe of <(command)
MIN_SIDE_PX = 16  # a hand in fewer pixels looks like a smudge
MAX_SIDE_PX = 12_000  # the square around the whole picture then takes 430 MB


def decode_picture(data: bytes, name: str) -> Image:
    """Decode a picture file to (H, W, 3) uint8 RGB, upright according to its EXIF tag.

    Grey, 16-bit, CMYK and alpha are converted. Raises PictureError, which begins with `name`.
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
        raise PictureError(f"{name}: not a picture that OpenCV can decode, or truncated")
    height, width = bgr.shape[:2]
    if max(height, width) > MAX_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too long; at most {MAX_SIDE_PX} px a side")
    if height * width > MAX_PICTURE_PIXELS:  # OpenCV itself checks only if edge was imported before cv2
        raise PictureError(_too_large(name))
    if min(height, width) < MIN_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too small; at least {MIN_SIDE_PX} px a side")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _too_large(name: str) -> str:
    return f"{name}: larger than {MAX_PICTURE_PIXELS // 1_000_000} megapixels; scale it down first"


def read_picture(path: Path) -> Image:
    """Read a picture file as (H, W, 3) uint8 RGB, upright. Raises PictureError if it can't be read."""
    try:
        with os_errors_as(PictureError, str(path)):
            data = _read_bytes(path)
    except ValueError as error:  # a name with a zero byte
        raise PictureError(f"{path}: {error}") from None
    return decode_picture(data, str(path))


def _read_bytes(path: Path) -> bytes:
    """Read a whole file. Raises PictureError if it may have no end, or is too large for a picture."""
    if path.is_fifo() and path.parent not in PIPES:  # opening it would wait for a writer
        raise PictureError(f"{path}: a named pipe, not a picture file")
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISCHR(status.st_mode):
            raise PictureError(f"{path}: a device, not a picture file")
        if status.st_size > MAX_BYTES:
            raise PictureError(f"{path}: {status.st_size // 1_000_000:,} MB is too large for a picture")
        return file.read()
