"""A Jetson's CSI camera, read by GStreamer in a child process that sends its pictures over a pipe.

This works with any Python, and with an OpenCV built without GStreamer. If Argus hangs, only the child hangs.
"""

import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

import cv2
import numpy as np

from edge.cameras.driver import Driver, LiveSource, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, orient
from edge.errors import CameraError, reason_of
from edge.printable import printable

# 16:9 like the source below, because nvvidconv doesn't preserve the aspect ratio. Large enough for a hand at
# arm's length.
SIZE_PX = (640, 360)
POLL_S = 0.2  # interval at which a wait for pictures checks whether the capture was abandoned
STDERR_BYTES = 16384  # the end of the child's standard error, kept for the error message
INTERRUPT_S = 3.0  # for GStreamer to shut its pipeline down; then it is killed
# nvvidconv's flip-method for (hflip, vflip): `gst-inspect-1.0 nvvidconv`, as in JetsonHacksNano/CSI-Camera
FLIP_METHOD = {(False, False): 0, (True, True): 2, (True, False): 4, (False, True): 6}


def jetson_source(number: int, fps: float = 30.0, orientation: Orientation = AS_MOUNTED) -> LiveSource:
    """Return the CSI camera with this sensor-id of nvarguscamerasrc."""
    name = f"jetson:{number}"
    driver = gstreamer_driver(name, argus_elements(number, fps, orientation), SIZE_PX, orientation)
    return LiveSource(name, driver, orientation.rotated_size(SIZE_PX), close_s=INTERRUPT_S + 1)


def argus_elements(number: int, fps: float, orientation: Orientation) -> str:
    """Return the GStreamer elements from the sensor to RGBA in CPU memory. Hardware scales, flips, converts.

    RGBA is the only packed RGB format that nvvidconv writes to CPU memory. With a YUV format the driver would
    have to guess the colour standard. 1280x720 follows JetsonHacksNano/CSI-Camera.
    """
    return (
        f"nvarguscamerasrc sensor-id={number} "
        f"! video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate={round(fps)}/1 "
        f"! nvvidconv flip-method={FLIP_METHOD[orientation.hflip, orientation.vflip]}"
    )


def gstreamer_driver(
    name: str, elements: str, size_px: tuple[int, int], orientation: Orientation = AS_MOUNTED
) -> Driver:
    """Return a driver for GStreamer elements whose output can be RGBA of this size.

    The driver raises CameraError with GStreamer's own error message when the child ends.
    """
    width, height = size_px
    caps = f"video/x-raw,format=RGBA,width={width},height={height}"

    def read_pictures(abandoned: threading.Event) -> Pictures:
        with _run_gstreamer(f"{elements} ! {caps} ! fdsink sync=false") as (child, frames_fd):
            for data in _read_frames(name, child, frames_fd, width * height * 4, abandoned):
                t = time.monotonic()  # the frame's arrival: the pipe carries no GStreamer timestamps
                rgba = np.frombuffer(data, np.uint8).reshape(height, width, 4)
                rgb = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.uint8)
                yield orient(rgb, orientation, already_flipped=True), t

    return read_pictures


@contextmanager
def _run_gstreamer(pipeline: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start gst-launch-1.0; yield the process and the pipe of its pictures. Interrupt it at the end.

    A child that doesn't end within INTERRUPT_S is killed.
    """
    read_fd, write_fd = os.pipe()
    try:
        # The pictures get a pipe of their own, because nvarguscamerasrc prints on standard output. The child
        # ignores SIGPIPE, so that it shuts its pipeline down when a write fails because this process is gone.
        # It has a session of its own, so that Ctrl-C in the terminal doesn't reach it.
        child = subprocess.Popen(
            ["gst-launch-1.0", "-q", *shlex.split(pipeline), f"fd={write_fd}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[write_fd],
            restore_signals=False,
            start_new_session=True,
        )
    except OSError as error:
        os.close(read_fd)
        is_absent = isinstance(error, FileNotFoundError)
        problem = "is not installed" if is_absent else f"can't be started ({reason_of(error)})"
        raise CameraError(f"gst-launch-1.0 {problem}: sudo apt install gstreamer1.0-tools") from None
    finally:
        os.close(write_fd)
    try:
        yield child, read_fd
    finally:
        # SIGINT, because older versions of gst-launch-1.0 shut their pipeline down on SIGINT only; SIGTERM
        # kills them, and an unreleased camera wedges nvargus-daemon (NVIDIA-AI-IOT/jetbot#65).
        child.send_signal(signal.SIGINT)
        os.close(read_fd)  # unblocks a child that is blocked writing a picture
        try:
            child.wait(INTERRUPT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        cast(IO[bytes], child.stderr).close()


def _read_frames(
    name: str, child: "subprocess.Popen[bytes]", frames_fd: int, n_bytes: int, abandoned: threading.Event
) -> Iterator[bytearray]:
    """Yield complete frames of n_bytes each. Raises CameraError when the child ends, even within a frame."""
    stderr_pipe = cast(IO[bytes], child.stderr)
    stderr_fd = stderr_pipe.fileno()
    messages = b""
    poll = select.poll()
    poll.register(frames_fd, select.POLLIN)
    poll.register(stderr_fd, select.POLLIN)
    frame, filled = bytearray(n_bytes), 0
    while not abandoned.is_set():
        ready = {fd for fd, _ in poll.poll(POLL_S * 1000)}
        if stderr_fd in ready:
            if text := os.read(stderr_fd, 4096):
                messages = (messages + text)[-STDERR_BYTES:]
            else:
                poll.unregister(stderr_fd)
        if frames_fd not in ready:
            continue
        n = os.readv(frames_fd, [memoryview(frame)[filled:]])
        filled += n
        if n == 0:
            with suppress(subprocess.TimeoutExpired):
                child.wait(INTERRUPT_S)
                messages += stderr_pipe.read()
            raise CameraError(_format_end(name, filled, n_bytes, messages))
        if filled == n_bytes:
            yield frame
            frame, filled = bytearray(n_bytes), 0


def _format_end(name: str, filled: int, n_bytes: int, messages: bytes) -> str:
    """Return why GStreamer ended: its most specific line, and what to do."""
    where = f" in the middle of a picture ({filled} of {n_bytes} bytes)" if filled else ""
    lines = [line for line in messages.decode(errors="replace").splitlines() if line.strip()]
    markers = ("No cameras available", "ERROR: from", "ERROR", "erroneous")  # the most specific first
    found = [line for mark in markers for line in lines if mark in line]
    reason = printable((found or lines[-1:] or ["it printed no error"])[0].strip())
    return f"{name}: GStreamer ended{where}: {reason} ({_advice(reason)})"


def _advice(reason: str) -> str:
    """Return what to do about GStreamer's error."""
    if "No cameras available" in reason:
        return (
            "no sensor answers: switch the board off and check the ribbon cable, then choose the camera with "
            "sudo /opt/nvidia/jetson-io/jetson-io.py"
        )
    missing = "no element" in reason
    command = "apt install nvidia-l4t-gstreamer" if missing else "systemctl restart nvargus-daemon"
    return f"on a Jetson try: sudo {command}"
