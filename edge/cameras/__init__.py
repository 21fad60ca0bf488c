"""Cameras: a name like `usb:0` becomes a stream of frames. Each driver is one file.

auto                       the only camera, ribbon camera or webcam, that this machine has
pi, pi:1                   a Raspberry Pi's ribbon camera, through Picamera2
jetson, jetson:1           a Jetson's CSI camera, through GStreamer and Argus
usb:0, usb:/dev/video0     a webcam, through V4L2; a name in /dev/v4l/by-id stays the same after a reboot
rtsp://HOST/PATH           a network camera, through FFmpeg
http://HOST/PATH           the same: a stream of JPEGs
replay:FOLDER_OR_VIDEO     the pictures of a folder in the order of their names, or a video file
synthetic:WORD             a drawn hand that spells a word again and again
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edge.cameras.driver import LiveSource
from edge.cameras.network import NO_LOGIN, Login, is_network_camera, network_source
from edge.cameras.orientation import AS_MOUNTED, Orientation
from edge.errors import CameraError
from edge.records import CameraState, Frame
from edge.settings import CAMERA_NAMES

MAX_DIGITS = 3  # of a camera's number


class Camera(Protocol):
    """A context manager that yields frames. Raises CameraError if opening or reading fails.

    A live camera yields its newest frame, and None at least every 0.5 s while it has none, so that the loop
    keeps running. A recording yields every frame as fast as it is read, skips and counts unreadable ones in
    `dropped`, and ends; its frame times count from its start.
    """

    dropped: int  # frames that the camera offered and the loop didn't read

    def __enter__(self) -> "Camera": ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __iter__(self) -> Iterator[Frame | None]: ...
    def state(self) -> CameraState: ...


def open_camera(
    name: str,
    fps: float = 30.0,
    stop: threading.Event | None = None,
    realtime: bool = True,
    orientation: Orientation = AS_MOUNTED,
    login: Login = NO_LOGIN,
) -> Camera:
    """Return the camera of that name; `with` opens it. There is no fallback to another camera.

    `fps`: frames per second to request; a video keeps its own rate. `stop` ends a wait for the next frame.
    `orientation` is for live cameras, `login` for network cameras. `realtime=False`: the synthetic signer
    spells its word once, as fast as its frames are read; otherwise it repeats the word in real time. Raises
    CameraError for an unknown name, and for `auto` unless there is exactly one camera.
    """
    if name == "auto":
        from edge.cameras.found import choose_only_camera

        name = choose_only_camera()
    kind, _, device = name.partition(":")
    if kind in ("replay", "synthetic") and device:
        if orientation != AS_MOUNTED:
            raise CameraError(f"{name} is not a live camera: leave out --hflip and --rotation-deg")
        if kind == "replay":
            from edge.cameras.replay import open_replay

            return open_replay(Path(device), fps)
        from edge.cameras.synthetic import open_synthetic

        return open_synthetic(device, fps=fps, realtime=realtime, repeat=realtime)
    if is_network_camera(name):
        source: LiveSource | None = network_source(name, login, orientation)
    else:
        source = _live_source(name, fps, orientation)
    if source is None:
        shown = name  # an address may hold a password
        if "//" in device or "@" in device:
            shown = f"{kind}://…" if "//" in device else f"{kind}:…"
        raise CameraError(f"there is no camera '{shown}': it must be {CAMERA_NAMES}")
    from edge.cameras.reconnecting import ReconnectingCamera

    return ReconnectingCamera(source, stop)


def _live_source(name: str, fps: float, orientation: Orientation) -> LiveSource | None:
    """Return the live camera of that name; None if no live camera has that name."""
    kind, _, device = name.partition(":")
    if kind == "usb" and device:
        from edge.cameras.usb import usb_source

        return usb_source(device, fps, orientation)
    is_number = name == kind or (device.isdecimal() and len(device) <= MAX_DIGITS)
    if kind == "pi" and is_number:
        from edge.cameras.pi import pi_source

        return pi_source(int(device or 0), fps, orientation)
    if kind == "jetson" and is_number:
        from edge.cameras.jetson import jetson_source

        return jetson_source(int(device or 0), fps, orientation)
    return None
