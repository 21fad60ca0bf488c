"""A camera on a Raspberry Pi's ribbon cable, through Picamera2 and libcamera as Raspberry Pi OS has them."""

import atexit
import os
import threading
import time
from concurrent.futures import TimeoutError as JobTimeoutError
from typing import Any

import numpy as np

from edge.cameras.capture_thread import Driver, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, oriented
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError

SIZE_PX = (640, 480)  # the camera scales it down itself; a hand fills enough of it at arm's length
LOOK_S = 0.2  # how often a wait for a picture looks whether it should end
# Picamera2 names formats as DRM does, from the highest byte down: what it calls BGR888 is R, G, B in memory,
# and its RGB888 is B, G, R (picamera2/request.py, _get_pil_mode; raspberrypi/picamera2#260).
RGB_IN_MEMORY = "BGR888"
OLDEST_S = 10.0  # a capture time further back than this, or in the future, is not on our clock


def open_pi(
    number: int,
    fps: float = 30.0,
    stop: threading.Event | None = None,
    orientation: Orientation = AS_MOUNTED,
    patience: Timeouts | None = None,
) -> ReconnectingCamera:
    """The camera with this number in `rpicam-hello --list-cameras`."""
    driver = picamera2_driver(number, fps, orientation)
    return ReconnectingCamera(
        f"pi:{number}", driver, orientation.size(SIZE_PX), stop, patience or Timeouts(close_s=3.0)
    )


def picamera2_driver(number: int, fps: float, orientation: Orientation = AS_MOUNTED) -> Driver:
    """CameraError: Picamera2 or the camera is absent, or another program has it."""

    def pictures(gone: threading.Event) -> Pictures:
        camera = _open(number)
        try:
            _start(camera, fps, orientation)
            while (request := _next_request(camera, gone)) is not None:
                try:
                    image = request.make_array("main")  # the one copy: the buffer goes back to the camera
                    t = captured_s(request.get_metadata().get("SensorTimestamp"))
                finally:
                    request.release()
                yield oriented(np.asarray(image, np.uint8), orientation, flips_done=True), t
        finally:
            camera.close()

    return pictures


def captured_s(sensor_timestamp_ns: int | None) -> float:
    """When a frame began, on time.monotonic(). libcamera counts from boot, which goes on in a suspend."""
    now_s = time.monotonic()
    if sensor_timestamp_ns is None:
        return now_s
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - sensor_timestamp_ns / 1e9
    return now_s - age_s if 0 <= age_s < OLDEST_S else now_s


def _open(number: int) -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")  # else a dozen lines in the log each time
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise CameraError(
            f"--camera pi needs Picamera2 ({error}): sudo apt install python3-picamera2, and asl-edge in an "
            "environment made with python3 -m venv --system-site-packages"
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
            f"pi:{number} is busy or does not answer ({error.__cause__ or error}): end the program that "
            "holds it (fuser -v /dev/media* names it)"
        ) from None
    # At the end Picamera2 would close it once more, and wait for ever for a camera that hangs.
    atexit.unregister(camera.close)
    return camera


def _start(camera: Any, fps: float, orientation: Orientation) -> None:
    from libcamera import Transform, controls

    width, height = camera.sensor_resolution
    config = camera.create_video_configuration(
        main={"size": SIZE_PX, "format": RGB_IN_MEMORY},
        # The sensor's own halving shows its whole view; the mode of 640x480 would show its middle alone.
        sensor={"output_size": (width // 2, height // 2)},
        transform=Transform(hflip=orientation.hflip, vflip=orientation.vflip),
        controls={"FrameRate": fps},
        queue=False,  # a capture gives the next frame, never one that was waiting (raspberrypi/picamera2#426)
    )
    camera.configure(config)
    given = camera.camera_configuration()["main"]["format"]
    if given != RGB_IN_MEMORY:
        raise CameraError(f"this camera gives {given} where {RGB_IN_MEMORY} was asked for: use --camera usb")
    if "AfMode" in camera.camera_controls:
        camera.set_controls({"AfMode": controls.AfModeEnum.Continuous})
    camera.start()


def _next_request(camera: Any, gone: threading.Event) -> Any:
    """The next frame's request, to be released; None when nobody waits any more."""
    job = camera.capture_request(wait=False)
    while not gone.is_set():
        try:
            return camera.wait(job, timeout=LOOK_S)
        except JobTimeoutError:
            continue
    return None
