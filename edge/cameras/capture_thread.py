"""The thread that reads a live camera and keeps its newest picture."""

import threading
import time
from contextlib import closing

from edge.cameras.driver import Driver
from edge.errors import CameraError
from edge.records import Image


class CaptureThread:
    """Open a camera once and read it until it fails or is abandoned.

    Callers never wait for the device. A thread that hangs in a device call is abandoned; it releases the
    camera when that call returns.
    """

    def __init__(self, name: str, driver: Driver) -> None:
        self.newest_s = time.monotonic()  # arrival of the newest picture; at first, the thread's start
        self.first_s: float | None = None  # arrival of the first picture
        self.offered = 0  # number of pictures that arrived
        self.error: CameraError | None = None
        self._newest: tuple[Image, float, int] | None = None
        self._changed = threading.Condition()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(name, driver), name=f"camera {name}", daemon=True
        )
        self._thread.start()

    def take(self, wait_s: float) -> tuple[Image, float, int] | None:
        """Return the newest picture, its capture time in seconds and its number, counted from 0.

        Waits at most `wait_s` for a picture that was not taken yet; None if there is none by then.
        """
        with self._changed:
            if self._newest is None and self.error is None:
                self._changed.wait(wait_s)
            taken, self._newest = self._newest, None
            return taken

    @property
    def holds_camera(self) -> bool:
        """Whether the thread still has the camera open."""
        return self._thread.is_alive()

    def abandon(self, wait_s: float = 0.0) -> None:
        """Ask the thread to end, and wait at most `wait_s` until it has released the camera."""
        self._abandoned.set()
        self._thread.join(wait_s)

    def _read(self, name: str, driver: Driver) -> None:
        error = CameraError(f"{name} ended")
        try:
            with closing(driver(self._abandoned)) as pictures:
                for image, t in pictures:
                    if self._abandoned.is_set():
                        break
                    self._keep(image, t)
        except CameraError as camera_error:
            error = camera_error
        except Exception as other:  # any error of a camera library must end this thread only
            error = CameraError(f"{name} failed: {type(other).__name__}: {other}")
        with self._changed:
            self.error = error
            self._changed.notify()

    def _keep(self, image: Image, t: float) -> None:
        with self._changed:
            self.newest_s = time.monotonic()
            if self.first_s is None:
                self.first_s = self.newest_s
            self._newest = (image, t, self.offered)
            self.offered += 1
            self._changed.notify()
