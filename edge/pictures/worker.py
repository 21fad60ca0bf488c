"""The process that decodes: it reads pictures from standard input and writes their pixels to standard output.

edge/pictures/process.py starts it and describes the two messages.
"""

import re
import resource
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.pictures.process import ANSWER, REQUEST
from edge.records import Image


def main() -> None:
    """Decode one picture after another until standard input ends."""
    cv2.setNumThreads(1)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(request := requests.read(REQUEST.size)) == REQUEST.size:
        n_bytes, memory, seconds = REQUEST.unpack(request)
        data = np.frombuffer(requests.read(n_bytes), np.uint8)
        image = _decode(data, memory, seconds)
        height, width = (0, 0) if image is None else image.shape[:2]
        answers.write(ANSWER.pack(height, width))
        if image is not None:
            answers.write(image.data.cast("B"))
        answers.flush()


def _decode(data: npt.NDArray[np.uint8], memory: int, seconds: float) -> Image | None:
    """Decode to BGR, or return None. More processor time ends this process with SIGPROF."""
    before, highest = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + memory
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (before, highest))
    return None if image is None else np.ascontiguousarray(image, np.uint8)


def _data_bytes() -> int:
    """Return the bytes that count for RLIMIT_DATA at this moment."""
    found = re.search(r"VmData:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
