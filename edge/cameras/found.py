"""Which cameras this machine has: for `asl-edge doctor`, and for the camera `auto`."""

import importlib.util
import shutil
from dataclasses import dataclass

from edge.cameras.v4l2 import VideoDevice, list_video_devices
from edge.errors import CameraError

# What reads a ribbon camera, and how to install it.
READERS = {
    "pi": "Picamera2 is missing: sudo apt install python3-picamera2",
    "jetson": "gst-launch-1.0 is missing: sudo apt install gstreamer1.0-tools",
}


@dataclass(frozen=True)
class FoundCamera:
    """A camera of this machine."""

    name: str  # for --camera
    text: str  # what the kernel calls it
    problem: str = ""  # why it can't be read, and what to do; "" if nothing is known to be wrong


def find_cameras() -> list[FoundCamera]:
    """Return the webcams and ribbon cameras, without opening them for pictures."""
    devices = list_video_devices()
    found = [
        FoundCamera(f"usb:{device.path}", device.name or "no name")
        for device in devices
        if device.kind == "webcam"
    ]
    return found + _ribbon_cameras(devices, "pi") + _ribbon_cameras(devices, "jetson")


def choose_only_camera() -> str:
    """Return the name of the only camera. Raises CameraError if there are several, or none."""
    found = find_cameras()
    if len(found) == 1:
        return found[0].name
    if not found:
        raise CameraError("auto finds no camera: plug one in, or name one, e.g. --camera synthetic:HELLO")
    names = " and ".join(f"{camera.name} ({camera.text})" for camera in found)
    raise CameraError(f"auto finds {len(found)} cameras, {names}: name one with --camera")


def _ribbon_cameras(devices: list[VideoDevice], kind: str) -> list[FoundCamera]:
    """Return the ribbon cameras. A Pi's camera has up to a dozen devices, a Jetson's has one."""
    of_kind = [device for device in devices if device.kind == kind]
    if kind == "pi":
        firsts = [device for device in of_kind if device.name in ("unicam-image", "rp1-cfe-csi2_ch0")]
        of_kind = firsts or of_kind[:1]
    is_there = importlib.util.find_spec("picamera2") if kind == "pi" else shutil.which("gst-launch-1.0")
    problem = "" if is_there else READERS[kind]
    return [
        FoundCamera(kind if number == 0 else f"{kind}:{number}", device.name, problem)
        for number, device in enumerate(of_kind)
    ]
