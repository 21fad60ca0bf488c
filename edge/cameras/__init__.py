"""Cameras: a name like `usb:0` -> frames. One file a driver.

pi, pi:1                   a Raspberry Pi's camera, through Picamera2
jetson, jetson:1           a Jetson's CSI camera, through GStreamer and Argus
usb:0, usb:/dev/video0     a camera on USB, through V4L2; /dev/v4l/by-id/... stays the same one
replay:FOLDER_OR_VIDEO     pictures of a folder in the order of their names, or a video file; needs no camera
synthetic:WORD             a drawn hand that spells a word again and again; needs no camera
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from edge.cameras.orientation import AS_MOUNTED, Orientation
from edge.errors import CameraError
from edge.records import CameraState, Frame

CHOICES = "pi, jetson, usb:0, usb:/dev/video0, replay:FOLDER_OR_VIDEO or synthetic:WORD"


class Camera(Protocol):
    """A context manager that gives frames. CameraError where opening or reading fails.

    A live camera without a picture gives None at least every 0.5 s: the loop turns, knowing that it is blind.
    """

    dropped: int  # frames that the camera offered and nobody read

    def __enter__(self) -> "Camera": ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __iter__(self) -> Iterator[Frame | None]: ...
    def state(self) -> CameraState: ...


def open_camera(
    spec: str,
    fps: float = 30.0,
    stop: threading.Event | None = None,
    realtime: bool = True,
    orientation: Orientation = AS_MOUNTED,
) -> Camera:
    """`usb:0` and the like -> a camera, opened by `with`; nothing is tried in its place.

    `fps`: frames a second to ask for (a video keeps its own). `stop` ends a wait for the next frame.
    `orientation`: of live cameras. The synthetic signer spells its word again and again; `realtime` False:
    once, and as fast as it is read.
    """
    kind, _, what = spec.partition(":")
    if kind == "usb" and what:
        from edge.cameras.usb import open_usb

        return open_usb(what, fps, stop, orientation)
    if kind in ("pi", "jetson") and (what.isdecimal() or spec == kind):
        from edge.cameras.jetson import open_jetson
        from edge.cameras.pi import open_pi

        opened = open_pi if kind == "pi" else open_jetson
        return opened(int(what or 0), fps, stop, orientation)
    if kind in ("replay", "synthetic") and what and orientation != AS_MOUNTED:
        raise CameraError(f"{spec} is no live camera: leave out --hflip and --rotation-deg")
    if kind == "replay" and what:
        from edge.cameras.replay import open_replay

        return open_replay(Path(what), fps)
    if kind == "synthetic" and what:
        from edge.cameras.synthetic import open_synthetic

        return open_synthetic(what, fps=fps, realtime=realtime, repeat=realtime)
    raise CameraError(f"there is no camera '{spec}': it must be {CHOICES}")
