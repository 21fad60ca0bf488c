"""A camera on USB, through V4L2. A thread keeps its newest frame, so that the letters never lag behind."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.errors import CameraError
from edge.records import CameraState, Frame

SIZE_PX = (640, 480)  # a hand fills enough of it at arm's length, and every webcam has it
WAIT_S = 0.2  # how often a wait for the next frame looks whether it should end


def found_cameras() -> list[tuple[str, str]]:
    """(device, name) of every V4L2 device; one camera may have several, and not all of them give pictures."""
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        name = Path("/sys/class/video4linux", device.name, "name")
        found.append((str(device), name.read_text().strip() if name.is_file() else "no name"))
    return found


def open_usb(device: str, fps: float = 30.0, stop: threading.Event | None = None) -> "UsbCamera":
    """`0`, `/dev/video0`, `/dev/v4l/by-id/...` -> camera. CameraError: absent, not permitted, busy."""
    path = Path(f"/dev/video{device}" if device.isdigit() else device)
    if not path.exists():
        others = ", ".join(name for name, _ in found_cameras()) or "none"
        raise CameraError(f"there is no camera {path} (found: {others}): plug it in, or choose with --camera")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraError(
            f"{path} may not be opened by this user: sudo usermod -aG video $USER, then log in again"
        )
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise CameraError(
            f"{path} is busy or no camera: end the program that holds it (fuser -v {path} names it)"
        )
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    return UsbCamera(capture, str(path), stop)


class UsbCamera:
    """The newest frame of an open capture; what came between is counted in `dropped`.

    A capture's read may block for ten seconds when the camera hangs. It belongs to the thread alone, which
    releases it when it comes back; closing does not wait for that.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str, stop: threading.Event | None = None) -> None:
        self.dropped = 0
        self._capture, self._name = capture, name
        self._stop = stop or threading.Event()
        self._closed = False
        self._failed = False
        self._newest: Frame | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._keep_newest, name=f"camera {name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "UsbCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        self._thread.join(WAIT_S)

    def state(self) -> CameraState:
        return CameraState(f"usb:{self._name}", "live", 0, 0.0, self.dropped)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        """Waits for a frame that was not yet given; None when the wait should end."""
        with self._changed:
            while self._newest is None:
                if self._stop.is_set() or self._closed:
                    return None
                if self._failed:
                    raise CameraError(
                        f"{self._name} gives no frames: plug it in again, or see what else uses it"
                    )
                self._changed.wait(WAIT_S)
            frame, self._newest = self._newest, None
            return frame

    def _keep_newest(self) -> None:
        index = 0
        while not self._closed:
            ok, bgr = self._capture.read()
            if not ok:
                break
            frame = Frame(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), time.monotonic(), index)
            index += 1
            with self._changed:
                self.dropped += self._newest is not None
                self._newest = frame
                self._changed.notify()
        self._capture.release()
        with self._changed:
            self._failed = True
            self._changed.notify()
