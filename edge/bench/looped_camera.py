"""A camera that repeats pictures in real time. Its pictures are drawn before the measurement begins.

The pictures lie in an unnamed temporary file in 4:2:0, a format of real cameras, at 12 bits a pixel.
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
    """Yield `pictures` in real time, again and again. `dropped` counts the frames that a late reader missed.

    Raises CameraError if there are no pictures, or if the temporary file can't hold them.
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
        with contextlib.ExitStack() as stack:
            try:
                self._file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
                for image in pictures:
                    self._write(image)
            except OSError as error:
                problem = f"the pictures of {name} can't be kept in {tempfile.gettempdir()}"
                raise CameraError(f"{problem}: {reason_of(error)}") from None
            if not self._count:
                raise CameraError(f"{name} delivered no picture to measure with")
            stack.pop_all()  # from now on __exit__ closes the file

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
        start_t, next_index = self._clock(), 0
        for delivered in count():
            newest = int((self._clock() - start_t) * self._fps + 1e-6)
            index = max(newest, next_index)
            due_t = start_t + index / self._fps
            if (wait_s := due_t - self._clock()) > 0:
                self._sleep(wait_s)
            self.dropped = index - delivered
            next_index = index + 1
            yield Frame(self._picture(index % self._count), due_t, index)

    def _picture(self, number: int) -> Image:
        size = self._shape[0] * self._shape[1]
        planes = np.frombuffer(os.pread(self._file.fileno(), size, number * size), np.uint8)
        return np.asarray(cv2.cvtColor(planes.reshape(self._shape), cv2.COLOR_YUV2RGB_I420), np.uint8)
