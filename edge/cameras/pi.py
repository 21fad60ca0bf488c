"""A camera on a Raspberry Pi's ribbon cable, through the Picamera2 and libcamera of Raspberry Pi OS."""

import atexit
import os
import threading
import time
from concurrent.futures import TimeoutError as JobTimeoutError
from typing import Any

import numpy as np

from edge.cameras.driver import LiveSource, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, orient
from edge.errors import CameraError

SIZE_PX = (640, 480)  # scaled by the camera's hardware; large enough for a hand at arm's length
POLL_S = 0.2  # interval at which a wait for a picture checks whether the capture was abandoned
CLOSE_S = 3.0
# Picamera2 uses DRM's format names, which begin with the highest byte: BGR888 is R, G, B in memory, and
# RGB888 is B, G, R (picamera2/request.py, _get_pil_mode; raspberrypi/picamera2#260).
RGB_IN_MEMORY = "BGR888"
MAX_AGE_S = 10.0  # a picture older than this, or from the future, has a wrong capture time


def pi_source(number: int, fps: float = 30.0, orientation: Orientation = AS_MOUNTED) -> LiveSource:
    """Return the camera with this number in `rpicam-hello --list-cameras`.

    The driver raises CameraError if Picamera2 or the camera is absent, or if another program uses the camera.
    """

    def read_pictures(abandoned: threading.Event) -> Pictures:
        camera = _open(number)
        try:
            _start(camera, fps, orientation)
            while (request := _next_request(camera, abandoned)) is not None:
                try:
                    image = request.make_array("main")  # the only copy: the buffer goes back to the camera
                    t = capture_time_s(request.get_metadata().get("SensorTimestamp"))
                finally:
                    request.release()
                yield orient(np.asarray(image, np.uint8), orientation, already_flipped=True), t
        finally:
            camera.close()

    return LiveSource(f"pi:{number}", read_pictures, orientation.rotated_size(SIZE_PX), close_s=CLOSE_S)


def capture_time_s(sensor_timestamp_ns: int | None) -> float:
    """Convert libcamera's capture time to the clock of time.monotonic().

    libcamera uses CLOCK_BOOTTIME, which also counts while the machine is suspended. Returns the present time
    if the timestamp is missing or implausible.
    """
    now_s = time.monotonic()
    if sensor_timestamp_ns is None:
        return now_s
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - sensor_timestamp_ns / 1e9
    return now_s - age_s if 0 <= age_s < MAX_AGE_S else now_s


def _open(number: int) -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")  # by default it logs a dozen lines each time
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise CameraError(
            f"--camera pi needs Picamera2 ({error}): sudo apt install python3-picamera2, and install "
            "asl-edge in an environment made with python3 -m venv --system-site-packages"
        ) from None
    names = [info.get("Model", "no name") for info in Picamera2.global_camera_info()]
    if number >= len(names):
        raise CameraError(
            f"there is no camera pi:{number} (found: {', '.join(names) or 'none'}): switch the board off, "
            "check the ribbon cable, then see rpicam-hello --list-cameras"
        )
    try:
        camera = Picamera2(number)
    except RuntimeError as error:
        raise CameraError(
            f"pi:{number} is busy or does not respond ({error.__cause__ or error}): end the program that "
            "holds it (fuser -v /dev/media* names it)"
        ) from None
    # Picamera2 closes the camera again at exit; a camera that hangs would block the program for ever.
    atexit.unregister(camera.close)
    return camera


def _start(camera: Any, fps: float, orientation: Orientation) -> None:
    from libcamera import Transform, controls

    width, height = camera.sensor_resolution
    config = camera.create_video_configuration(
        main={"size": SIZE_PX, "format": RGB_IN_MEMORY},
        # The sensor's half resolution shows its whole view; its 640x480 mode would show only the centre.
        sensor={"output_size": (width // 2, height // 2)},
        transform=Transform(hflip=orientation.hflip, vflip=orientation.vflip),
        controls={"FrameRate": fps},
        queue=False,  # a capture returns the next frame, not a queued one (raspberrypi/picamera2#426)
    )
    camera.configure(config)
    actual_format = camera.camera_configuration()["main"]["format"]
    if actual_format != RGB_IN_MEMORY:
        raise CameraError(
            f"this camera delivers {actual_format} instead of {RGB_IN_MEMORY}: use --camera usb:0"
        )
    if "AfMode" in camera.camera_controls:
        camera.set_controls({"AfMode": controls.AfModeEnum.Continuous})
    camera.start()


def _next_request(camera: Any, abandoned: threading.Event) -> Any:
    """Wait for the next frame's request, which the caller must release; None if the capture is abandoned."""
    job = camera.capture_request(wait=False)
    while not abandoned.is_set():
        try:
            return camera.wait(job, timeout=POLL_S)
        except JobTimeoutError:
            continue
    return None
