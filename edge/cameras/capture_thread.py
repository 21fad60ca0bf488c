"""One opening of a live camera: a thread that reads it and keeps the newest picture."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing

from edge.errors import CameraError
from edge.records import Image

# A driver opens its camera at the first step, then gives (picture, seconds on the monotonic clock at capture)
# for ever, and releases the camera when it is closed. It looks at the event where it can: once that is set,
# nobody waits for it any more. CameraError where it can't go on.
Pictures = Generator[tuple[Image, float], None, None]
Driver = Callable[[threading.Event], Pictures]


class CaptureThread:
    """Reads in a thread of its own, from which nobody waits for anything.

    A thread that is stuck in its device is left behind; it releases the camera when it comes back.
    """

    def __init__(self, name: str, driver: Driver) -> None:
        self.last_s = time.monotonic()  # when the newest picture came; before the first, when it began
        self.first_s: float | None = None
        self.offered = 0
        self.error: CameraError | None = None
        self._newest: tuple[Image, float, int] | None = None
        self._changed = threading.Condition()
        self._gone = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(name, driver), name=f"camera {name}", daemon=True
        )
        self._thread.start()

    def take(self, wait_s: float) -> tuple[Image, float, int] | None:
        """The newest picture that was not yet taken, when it was captured, and its number from 0."""
        with self._changed:
            if self._newest is None and self.error is None:
                self._changed.wait(wait_s)
            taken, self._newest = self._newest, None
            return taken

    @property
    def reads(self) -> bool:
        """Whether its thread still has the camera."""
        return self._thread.is_alive()

    def leave(self, wait_s: float = 0.0) -> None:
        """Tell the thread that nobody wants its pictures; wait at most so long until the camera is free."""
        self._gone.set()
        self._thread.join(wait_s)

    def _read(self, name: str, driver: Driver) -> None:
        error = CameraError(f"{name} ended")
        try:
            with closing(driver(self._gone)) as pictures:
                for image, t in pictures:
                    if self._gone.is_set():
                        break
                    self._keep(image, t)
        except CameraError as camera_error:
            error = camera_error
        except Exception as other:  # a camera library's own; it ends this opening, never the program
            error = CameraError(f"{name} failed: {type(other).__name__}: {other}")
        with self._changed:
            self.error = error
            self._changed.notify()

    def _keep(self, image: Image, t: float) -> None:
        with self._changed:
            self.last_s = time.monotonic()
            if self.first_s is None:
                self.first_s = self.last_s
            self._newest = (image, t, self.offered)
            self.offered += 1
            self._changed.notify()
