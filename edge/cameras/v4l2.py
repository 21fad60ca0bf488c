"""Which of the kernel's video devices is a camera, and of which kind.

Most video devices of a Raspberry Pi are codecs and image processors. A ribbon camera has devices, too, but
they deliver raw data of the sensor: Picamera2 or Argus reads them, V4L2 alone can't.
"""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.printable import printable
from edge.system.sysfs import read_text

Kind = Literal["webcam", "pi", "jetson"]

SYSFS = Path("/sys/class/video4linux")
# The beginnings of the kernel's names of a ribbon camera's devices, and the camera's name for --camera: the
# drivers are bcm2835-unicam (Pi 4 and before), rp1-cfe (Pi 5) and tegra-video (Jetson).
RIBBON: dict[str, Kind] = {"unicam": "pi", "rp1-cfe": "pi", "vi-output": "jetson"}
# Codecs and image processors, some of which say that they capture video.
PROCESSORS = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc", "rpivid", "hevc", "tegra-nvdec")
# struct v4l2_capability of linux/videodev2.h ends with version, capabilities, device_caps and reserved fields
CAPABILITY = struct.Struct("=16s32s32sIII12x")
VIDIOC_QUERYCAP = 2 << 30 | CAPABILITY.size << 16 | ord("V") << 8 | 0
VIDEO_CAPTURE = 0x1 | 0x1000  # in one plane or in several
MEMORY_TO_MEMORY = 0x4000 | 0x8000
DEVICE_CAPS = 0x80000000


@dataclass(frozen=True)
class VideoDevice:
    """A video device that is a camera or belongs to one."""

    path: Path
    name: str  # what the kernel calls it
    kind: Kind


def list_video_devices() -> list[VideoDevice]:
    """Return the devices of cameras in the order of their numbers. A ribbon camera may have several."""
    paths = sorted(Path("/dev").glob("video[0-9]*"), key=lambda path: (len(path.name), path.name))
    kinds = {path: kind_of(path) for path in paths}
    return [VideoDevice(path, kernel_name(path), kind) for path, kind in kinds.items() if kind]


def kernel_name(path: Path) -> str:
    """Return the kernel's name of a device, for example `HD Webcam C525`; "" if it is no video device."""
    return printable(read_text(SYSFS / path.resolve().name / "name"))


def kind_of(path: Path) -> Kind | None:
    """Return the kind of camera that a device belongs to; None if it is no camera's."""
    name = kernel_name(path)
    for prefix, kind in RIBBON.items():
        if name.startswith(prefix):
            return kind
    if name.startswith(PROCESSORS):
        return None
    try:
        caps = device_caps(path)
        captures = bool(caps & VIDEO_CAPTURE) and not caps & MEMORY_TO_MEMORY
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.ENODEV, errno.ENXIO, errno.ENOENT):
            return None
        # it may not be opened: a webcam's first device delivers pictures, its others only describe them
        captures = read_text(SYSFS / path.resolve().name / "index") in ("", "0")
    return "webcam" if captures else None


def device_caps(path: Path) -> int:
    """Ask a device what it can do: the bits V4L2_CAP_... of linux/videodev2.h. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(fd, VIDIOC_QUERYCAP, bytes(CAPABILITY.size))
    finally:
        os.close(fd)
    *_, of_all_devices, of_this_device = CAPABILITY.unpack(answer)
    return int(of_this_device if of_all_devices & DEVICE_CAPS else of_all_devices)
