"""Pictures of another camera, drawn beforehand and delivered in real time, so that drawing costs nothing.

They are kept in an unnamed file in the format of cameras (4:2:0, 12 bits a pixel) and repeat for ever.
"""

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count

import cv2
import numpy as np

from edge.errors import CameraError, reason_of
from edge.records import CameraState, Frame, Image


class LoopedCamera:
    """Frames in real time. A late reader misses some, which `dropped` counts.

    Raises CameraError if there are no pictures, or no room for them.
    """

    def __init__(
        self,
        name: str,
        pictures: Iterable[Image],
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.dropped = 0
        self._name, self._fps, self._clock, self._sleep = name, fps, clock, sleep
        self._count, self._shape = 0, (0, 0)
        with contextlib.ExitStack() as undo:
            try:
                self._file = undo.enter_context(tempfile.TemporaryFile(buffering=0))
                for image in pictures:
                    self._write(image)
            except OSError as error:
                kept = f"the pictures of {name} can't be kept in {tempfile.gettempdir()}"
                raise CameraError(f"{kept}: {reason_of(error)}") from None
            if not self._count:
                raise CameraError(f"{name} delivered no picture to measure with")
            undo.pop_all()  # from now on __exit__ closes the file

    def _write(self, image: Image) -> None:
        even = image[: image.shape[0] & ~1, : image.shape[1] & ~1]
        planes = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
        if self._file.write(planes.tobytes()) < planes.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._count, self._shape = self._count + 1, (planes.shape[0], planes.shape[1])

    def __enter__(self) -> "LoopedCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def state(self) -> CameraState:
        return CameraState(self._name, "live", 0, 0.0, self.dropped)

    def __iter__(self) -> Iterator[Frame]:
        start, following = self._clock(), 0
        for delivered in count():
            newest = int((self._clock() - start) * self._fps + 1e-6)
            index = max(newest, following)
            due = start + index / self._fps
            if (wait_s := due - self._clock()) > 0:
                self._sleep(wait_s)
            self.dropped = index - delivered
            following = index + 1
            yield Frame(self._picture(index % self._count), due, index)

    def _picture(self, number: int) -> Image:
        size = self._shape[0] * self._shape[1]
        planes = np.frombuffer(os.pread(self._file.fileno(), size, number * size), np.uint8)
        return np.asarray(cv2.cvtColor(planes.reshape(self._shape), cv2.COLOR_YUV2RGB_I420), np.uint8)
