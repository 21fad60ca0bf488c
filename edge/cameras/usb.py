"""A webcam, through V4L2."""

import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.driver import LiveSource, Pictures
from edge.cameras.found import find_cameras
from edge.cameras.orientation import AS_MOUNTED, Orientation, orient
from edge.cameras.v4l2 import kernel_name, kind_of
from edge.errors import CameraError
from edge.printable import printable

SIZE_PX = (640, 480)  # every webcam offers it; large enough for a hand at arm's length
# The timeout of OpenCV's read() for a camera that hangs; by default 10 s (cap_v4l.cpp). An abandoned thread
# holds the device until its read() returns, and until then reopening the device fails because it is busy.
TIMEOUT_S = 2
os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(TIMEOUT_S)


def usb_source(device: str, fps: float = 30.0, orientation: Orientation = AS_MOUNTED) -> LiveSource:
    """Return the webcam of a device: `0`, `/dev/video0` or `/dev/v4l/by-id/...`.

    Raises CameraError for a wrong name; the driver raises it if the device is absent, busy or not permitted,
    or if reading it fails.
    """
    if not device.isdigit() and "/" not in device:
        raise CameraError(f"usb:{device} must be a number or a path, e.g. usb:0 or usb:/dev/video0")
    path = Path(f"/dev/video{device}" if device.isdigit() else device)

    def read_pictures(abandoned: threading.Event) -> Pictures:
        capture = _open(path, fps)
        try:
            while not abandoned.is_set():
                requested_t = time.monotonic()
                ok, bgr = capture.read()  # isOpened() stays True even when the camera is unplugged
                t = time.monotonic()
                if ok:
                    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
                    yield orient(rgb, orientation), t
                elif t - requested_t < TIMEOUT_S / 2:  # read() failed, rather than timed out
                    raise CameraError(
                        f"{path} delivers no pictures: unplug it and plug it in, or end what else uses it"
                    )
        finally:
            capture.release()

    return LiveSource(
        printable(f"usb:{device}"), read_pictures, orientation.rotated_size(SIZE_PX), path.exists
    )


def _open(path: Path, fps: float) -> cv2.VideoCapture:
    if not path.exists():
        raise CameraError(f"there is no camera {path} ({_found()}): plug it in, or choose with --camera")
    kind = kind_of(path)
    if kind in ("pi", "jetson"):
        raise CameraError(
            f"{path} ({kernel_name(path)}) is a ribbon camera's raw data, not a webcam: use --camera {kind}"
        )
    if kind is None and kernel_name(path):
        raise CameraError(f"{path} ({kernel_name(path)}) is no camera ({_found()}): choose with --camera")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraError(
            f"this user may not open {path}: sudo usermod -aG video $USER, then log out and log in again"
        )
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise CameraError(
            f"{path} is busy or not a camera: end the program that holds it (fuser -v {path} names it)"
        )
    # Two buffers: one is filled while the other is read. Further buffers would only hold older pictures.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
    # Uncompressed pictures need no decoding, but over USB 2 some cameras deliver only MJPEG at full speed.
    uncompressed_fps = _request_format(capture, "YUYV", fps)
    if uncompressed_fps < 0.9 * fps and _request_format(capture, "MJPG", fps) <= uncompressed_fps:
        _request_format(capture, "YUYV", fps)
    return capture


def _found() -> str:
    return f"found: {', '.join(camera.name for camera in find_cameras()) or 'none'}"


def _request_format(capture: cv2.VideoCapture, fourcc: str, fps: float) -> float:
    """Request a format; return the frame rate that the camera promises in Hz, 0 if it lacks the format."""
    has_format = capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
    capture.set(cv2.CAP_PROP_FPS, fps)
    return float(capture.get(cv2.CAP_PROP_FPS)) if has_format else 0.0
