"""Picture files -> upright RGB arrays, for `predict`, the replay camera and training.

header.py   the kind and size that a file states, held against its bytes before anything is decoded
process.py  a decoder in a process of its own, with limits of memory and time, for kinds whose cost no header
            tells; worker.py is that process
"""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np

from edge import MAX_PICTURE_PIXELS
from edge.errors import PictureError, lacks_memory, os_errors_as
from edge.pictures.header import BrokenHeaderError, Header, read_header
from edge.pictures.process import DecoderError, decode_apart
from edge.records import Image
from edge.system.bounded_files import read_bounded

SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
SUFFIXES += (".avif", ".heic", ".heif")
MAX_BYTES = 8 * MAX_PICTURE_PIXELS  # of a file: four channels of 16 bits, uncompressed
MIN_SIDE_PX = 16  # a hand in fewer pixels looks like a smudge
MAX_SIDE_PX = 12_000  # the square around the whole picture then takes 430 MB
# Memory for each byte of a file: a photograph takes some 50 bytes, a drawing 2,500. What takes more than
# this, and more than FREE_BYTES, is a few bytes that would fill the memory.
MAX_BYTES_PER_BYTE, FREE_BYTES = 4000, 40_000_000
APART = (
    "TIFF",
    "AVIF",
    "HEIC",
)  # their decoders allocate what other tags and frames ask for, not the header's size
MAX_WORK_PIXELS = 256_000_000  # over all passes; a photograph of 12 megapixels, progressive: 120 million
NOT_DECODED = "not a picture that OpenCV can decode, or truncated"
NO_HEIC = (
    f"a HEIC picture, which needs pillow-heif: {sys.executable} -m pip install pillow-heif; or save it as "
    "JPEG, on an iPhone with Settings > Camera > Formats > Most Compatible"
)
NO_MEMORY = "it needs more memory than there is; scale it down first"


def decode_picture(data: bytes, name: str) -> Image:
    """Decode a picture file to (H, W, 3) uint8 RGB, upright according to its EXIF tag.

    Grey, 16-bit, floating-point, CMYK and alpha are converted. Raises PictureError, which begins with `name`.
    """
    if not data:
        raise PictureError(f"{name}: the file is empty (0 bytes)")
    try:
        header = read_header(data)
    except BrokenHeaderError:
        header = None
    if header is None:
        raise PictureError(f"{name}: {NOT_DECODED}")
    _check_size(header, len(data), name)
    if header.kind == "HEIC" and importlib.util.find_spec("pillow_heif") is None:
        raise PictureError(f"{name}: {NO_HEIC}")
    try:
        if header.kind in APART or header.pixels * header.passes > MAX_WORK_PIXELS:
            bgr = decode_apart(data, header.pixels)
        else:
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
            if bgr is None and header.kind == "JPEG":  # perhaps only its end marker is missing
                bgr = decode_apart(data, header.pixels)
        if bgr is not None:
            return _set_upright(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), header)
    except DecoderError as error:
        raise PictureError(f"{name}: {error}") from None
    except (MemoryError, cv2.error) as error:
        if lacks_memory(error):
            raise PictureError(f"{name}: {NO_MEMORY}") from None
    raise PictureError(f"{name}: {NOT_DECODED}")


def _set_upright(image: Image, header: Header) -> Image:
    """Return the picture as its file says that it is shown; that an EXIF tag says was done by the decoder."""
    if header.quarter_turns:
        image = np.ascontiguousarray(np.rot90(image, header.quarter_turns))
    return image if header.flip is None else np.asarray(cv2.flip(image, header.flip), np.uint8)


def _check_size(header: Header, n_bytes: int, name: str) -> None:
    width, height = header.width, header.height
    if header.pixels > MAX_PICTURE_PIXELS:
        raise PictureError(
            f"{name}: larger than {MAX_PICTURE_PIXELS // 1_000_000} megapixels; scale it down first"
        )
    if max(height, width) > MAX_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too long; at most {MAX_SIDE_PX} px a side")
    if min(height, width) < MIN_SIDE_PX:
        raise PictureError(f"{name}: {width}x{height} px is too small; at least {MIN_SIDE_PX} px a side")
    memory = 9 * header.pixels + 3 * max(width, height) ** 2  # to decode it, and for the square around it
    if memory > max(FREE_BYTES, MAX_BYTES_PER_BYTE * n_bytes):
        raise PictureError(
            f"{name}: {width}x{height} px in {n_bytes} bytes can't be a photograph; save it again"
        )


def read_picture(path: Path) -> Image:
    """Read a picture file as (H, W, 3) uint8 RGB, upright. Raises PictureError if it can't be read."""
    try:
        with os_errors_as(PictureError, str(path)):
            data = read_bounded(path, MAX_BYTES)
    except ValueError as error:  # a name with a zero byte
        raise PictureError(f"{path}: {error}") from None
    return decode_picture(data, str(path))
