"""Runs in the emulated machine: the Pi's driver with the real Picamera2 and libcamera's virtual camera.

It tests the calls of the driver, not a Pi's formats, controls and speed.
Six substitutes, all in this file, replace what the virtual camera lacks.
"""

import inspect
import mmap
import sys
import textwrap
import threading
import time
import types
from dataclasses import replace
from itertools import islice
from pathlib import Path

from camera_faults import report

import edge.cameras.pi as pi
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError

CAMERA = """%YAML 1.1
---
"Virtual0":
  supported_formats:
  - width: 640
    height: 480
    frame_rates:
    - 30
    - 30
  test_pattern: "bars"
  location: "CameraLocationFront"
  model: "Virtual camera"
"""
TIMEOUTS = Timeouts(open_s=60.0)


def make_camera(number: int) -> ReconnectingCamera:
    return ReconnectingCamera(replace(pi.pi_source(number), close_s=20.0), timeouts=TIMEOUTS)


def substitute() -> None:
    """Replace 1 modules for screens and raw files, 2 the heap's name, 3 raw modes, 4 NV12 buffers, 5 a check.

    The sixth substitute is the format in main().
    """
    formats = ("RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12")
    for name, values in {
        "pykms": {"PixelFormat": types.SimpleNamespace(**dict.fromkeys(formats))},
        "pidng": {},
        "pidng.core": {"PICAM2DNG": object},
        "pidng.camdefs": {"Picamera2Camera": object},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(values)
    Path("/dev/dma_heap/linux,cma").symlink_to("/dev/dma_heap/system")
    import libcamera
    from picamera2 import Picamera2
    from picamera2.allocators import DmaAllocator

    def raw_modes(self: object) -> list[dict[str, object]]:
        return [{"size": (640, 480), "format": "SRGGB10", "crop_limits": (0, 0, 640, 480)}]

    def allocate(self: DmaAllocator, config: "libcamera.CameraConfiguration", use_case: object) -> None:
        for stream in config:
            y_bytes, buffers = stream.size.width * stream.size.height, []
            for number in range(stream.buffer_count):
                fd = self.dmaHeap.alloc(f"picamera2-{number}", stream.frame_size).get()
                planes = [libcamera.FrameBuffer.Plane(), libcamera.FrameBuffer.Plane()]
                for plane, offset, length in zip(planes, (0, y_bytes), (y_bytes, y_bytes // 2), strict=True):
                    plane.fd, plane.offset, plane.length = fd, offset, length
                self.open_fds.append(fd)
                own_fd = planes[0].fd  # libcamera's duplicate, by which Picamera2 identifies the buffer
                self.libcamera_fds.append(own_fd)
                self.mapped_buffers_used[own_fd] = False
                buffers.append(libcamera.FrameBuffer(planes))
                self.mapped_buffers[buffers[-1]] = mmap.mmap(fd, stream.frame_size)
            self.frame_buffers[stream.stream] = buffers

    # the virtual camera of libcamera 0.4 doesn't initialize a frame's status, so the check of it is removed
    source = textwrap.dedent(inspect.getsource(Picamera2.process_requests))
    without_check = source.replace(".metadata.status == libcamera.FrameMetadata.Status.Success", ".metadata")
    assert without_check != source
    namespace: dict[str, object] = {}
    exec(without_check, vars(sys.modules[Picamera2.__module__]), namespace)
    Picamera2.process_requests = namespace["process_requests"]
    Picamera2._get_raw_modes = raw_modes
    DmaAllocator.allocate = allocate


def read_error(number: int) -> str:
    """Return the error of reading a camera; "" if there is none."""
    try:
        with make_camera(number) as camera:
            list(islice(camera, 500))
    except CameraError as error:
        return str(error)
    return ""


def main() -> None:
    folder = Path("/usr/share/libcamera/pipeline/virtual")
    folder.mkdir(parents=True)
    (folder / "virtual.yaml").write_text(CAMERA)
    substitute()
    report("only NV12", error=read_error(0))

    pi.RGB_IN_MEMORY = "NV12"  # 6: the only format that the virtual camera has
    for opening in ("first", "second"):
        with make_camera(0) as camera:
            frames = list(islice((frame for frame in camera if frame is not None), 20))
            age_s = time.monotonic() - frames[-1].t
        times = [frame.t for frame in frames]
        report(
            f"{opening} opening",
            frames=len(frames),
            in_order=times == sorted(set(times)),
            age_s=age_s,
            shape=list(frames[-1].image.shape),
            differ=bool((frames[-1].image != frames[0].image).any()),
            threads=[thread.name for thread in threading.enumerate() if thread.name.startswith("camera ")],
        )
    report("no second camera", error=read_error(1))


main()
