"""A camera on USB, through V4L2."""

import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.capture_thread import Driver, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, oriented
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError
from edge.system.sysfs import text_of

SIZE_PX = (640, 480)  # a hand fills enough of it at arm's length, and every webcam has it
# How long OpenCV's read() waits for a camera that hangs; 10 s if nothing is set (cap_v4l.cpp). Nobody waits
# for its thread, but that holds the device until then, and the next opening would find it busy.
TIMEOUT_S = 2
os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(TIMEOUT_S)


def found_cameras() -> list[tuple[str, str]]:
    """(device, name) of every V4L2 device; one camera may have several, and not all of them give pictures."""
    found = []
    for device in sorted(Path("/dev").glob("video*")):
        name = text_of(Path("/sys/class/video4linux", device.name, "name"))
        found.append((str(device), name or "no name"))
    return found


def open_usb(
    device: str,
    fps: float = 30.0,
    stop: threading.Event | None = None,
    orientation: Orientation = AS_MOUNTED,
    patience: Timeouts | None = None,
) -> ReconnectingCamera:
    """`0`, `/dev/video0`, `/dev/v4l/by-id/...` -> camera."""
    path = Path(f"/dev/video{device}" if device.isdigit() else device)
    driver = v4l2_driver(path, fps, orientation)
    return ReconnectingCamera(f"usb:{device}", driver, orientation.size(SIZE_PX), stop, patience, path.exists)


def v4l2_driver(path: Path, fps: float, orientation: Orientation = AS_MOUNTED) -> Driver:
    """CameraError: absent, not permitted, busy, or no picture comes any more."""

    def pictures(gone: threading.Event) -> Pictures:
        capture = _open(path, fps)
        try:
            while not gone.is_set():
                asked_s = time.monotonic()
                ok, bgr = capture.read()  # isOpened() would say yes all along, also of one that is unplugged
                t = time.monotonic()
                if ok:
                    yield oriented(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), orientation), t
                elif t - asked_s < TIMEOUT_S / 2:  # it did not wait in vain, it broke
                    raise CameraError(f"{path} gives no pictures: plug it in again, or see what else uses it")
        finally:
            capture.release()

    return pictures


def _open(path: Path, fps: float) -> cv2.VideoCapture:
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
    # Two buffers: one to fill while the other is read. More would only be older pictures, when this is slow.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    # Uncompressed costs less to read; over USB 2 some cameras give it slowly, and MJPEG at full speed.
    uncompressed_fps = _ask(capture, "YUYV", fps)
    if uncompressed_fps < 0.9 * fps and _ask(capture, "MJPG", fps) <= uncompressed_fps:
        _ask(capture, "YUYV", fps)
    return capture


def _ask(capture: cv2.VideoCapture, fourcc: str, fps: float) -> float:
    """Frames a second that the camera promises in this format; 0 where it does not have it."""
    has_it = capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    return float(capture.get(cv2.CAP_PROP_FPS)) if has_it else 0.0
