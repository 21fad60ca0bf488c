"""The process that decodes: it reads pictures from standard input and writes their pixels to standard output.

edge/pictures/process.py starts it and describes the two messages.
"""

import re
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.pictures.header import read_header
from edge.pictures.process import ANSWER, REQUEST
from edge.records import Image


def main() -> None:
    """Decode one picture after another until standard input ends."""
    cv2.setNumThreads(1)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(request := requests.read(REQUEST.size)) == REQUEST.size:
        n_bytes, memory, seconds = REQUEST.unpack(request)
        data = requests.read(n_bytes)
        header = read_header(data)
        if header is not None and header.kind == "HEIC":
            import pillow_heif  # noqa: F401  before the limit of memory is set
        image = _decode_limited(data, header.kind if header else "", memory, seconds)
        height, width = (0, 0) if image is None else image.shape[:2]
        answers.write(ANSWER.pack(height, width))
        if image is not None:
            answers.write(image.data.cast("B"))
        answers.flush()


def _decode_limited(data: bytes, kind: str, memory: int, seconds: float) -> Image | None:
    """Decode to BGR, or return None. More processor time ends this process with SIGPROF."""
    before, highest = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + memory
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        image = _decode(data, kind)
    except (cv2.error, MemoryError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (before, highest))
    return None if image is None else np.ascontiguousarray(image, np.uint8)


def _decode(data: bytes, kind: str) -> npt.NDArray[Any] | None:
    """Decode to BGR, (H, W, 3) uint8, or return None."""
    if kind == "HEIC":
        return _decode_heic(data)
    # AVIF says in a box of its own how it is turned, and viewers ignore the tag in its EXIF
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if kind == "AVIF" else 0)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None and kind == "TIFF":
        return _decode_float_tiff(data)
    if image is None and kind == "JPEG":
        return _decode_without_end(data)
    return image


def _decode_heic(data: bytes) -> npt.NDArray[Any] | None:
    """Decode the primary picture. libheif turns it upright."""
    import pillow_heif

    pillow_heif.options.DECODE_THREADS = 1
    try:
        heif = pillow_heif.open_heif(data, bgr_mode=True)
        image = np.asarray(heif)
    except (ValueError, RuntimeError, EOFError, OSError):
        return None
    return image[..., :3] if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)


def _decode_float_tiff(data: bytes) -> npt.NDArray[Any] | None:
    """Decode floating-point numbers from 0 to 1, as other programs show them, or from 0 to 255."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype not in (np.float32, np.float64):
        return None
    image = np.nan_to_num(image, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    image *= 255 if image.max() <= 1 else 1
    image = np.clip(image, 0, 255, out=image).astype(np.uint8)
    return image[..., :3] if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)


def _decode_without_end(data: bytes) -> npt.NDArray[Any] | None:
    """Decode a JPEG whose last bytes, its end marker, are missing. None if pixels are missing, too.

    libjpeg fills what is missing with grey and only warns. So other bytes after the end are tried as well:
    they change nothing if every pixel is there.
    """
    data = data.removesuffix(b"\xff")
    image, *others = (
        cv2.imdecode(np.frombuffer(data + filler + b"\xff\xd9", np.uint8), cv2.IMREAD_COLOR)
        for filler in (b"", b"\x5a\xa5\x3c" * 100, b"\xa5\x5a\xc3" * 100)
    )
    if image is None or not all(other is not None and np.array_equal(image, other) for other in others):
        return None
    return image


def _data_bytes() -> int:
    """Return the bytes that count for RLIMIT_DATA at this moment."""
    found = re.search(r"VmData:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
