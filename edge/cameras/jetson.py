"""A Jetson's CSI camera. GStreamer runs in a process of its own and sends its pictures over a pipe.

This works with any Python and without an OpenCV that has GStreamer, and a hung Argus hangs only the child.
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

# 16:9 like the source below, because nvvidconv scales each side by itself. A hand at arm's length fills
# enough of it.
SIZE_PX = (640, 360)
POLL_S = 0.2  # how often a wait for the child checks whether it should end
STDERR_BYTES = 16384  # of the child's standard error that are kept for the error message
INTERRUPT_S = 3.0  # for GStreamer to shut its pipeline down before it is killed
# nvvidconv's flip-method for (hflip, vflip): `gst-inspect-1.0 nvvidconv`, as in JetsonHacksNano/CSI-Camera
FLIP_METHOD = {(False, False): 0, (True, True): 2, (True, False): 4, (False, True): 6}


def jetson_source(number: int, fps: float = 30.0, orientation: Orientation = AS_MOUNTED) -> LiveSource:
    """Return the CSI camera with this sensor-id."""
    name = f"jetson:{number}"
    driver = gstreamer_driver(name, argus_elements(number, fps, orientation), SIZE_PX, orientation)
    return LiveSource(name, driver, orientation.rotated_size(SIZE_PX), close_s=INTERRUPT_S + 1)


def argus_elements(number: int, fps: float, orientation: Orientation) -> str:
    """Return the GStreamer elements up to RGBA in ordinary memory. Hardware scales, flips and converts.

    Of the formats that nvvidconv writes to ordinary memory, only RGBA has whole pixels in the order R, G, B:
    one pass drops the fourth byte, and no YUV standard is guessed. 1280x720 follows
    JetsonHacksNano/CSI-Camera.
    """
    return (
        f"nvarguscamerasrc sensor-id={number} "
        f"! video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate={round(fps)}/1 "
        f"! nvvidconv flip-method={FLIP_METHOD[orientation.hflip, orientation.vflip]}"
    )


def gstreamer_driver(
    name: str, elements: str, size_px: tuple[int, int], orientation: Orientation = AS_MOUNTED
) -> Driver:
    """Return a driver for any GStreamer elements that can end in RGBA of this size.

    It raises CameraError with GStreamer's own last words when the child ends.
    """
    width, height = size_px
    caps = f"video/x-raw,format=RGBA,width={width},height={height}"

    def read_pictures(abandoned: threading.Event) -> Pictures:
        with _launched(f"{elements} ! {caps} ! fdsink sync=false") as (child, frames_fd):
            for data in _frames(name, child, frames_fd, width * height * 4, abandoned):
                t = time.monotonic()  # when the frame was complete: GStreamer's times don't cross the pipe
                rgba = np.frombuffer(data, np.uint8).reshape(height, width, 4)
                rgb = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.uint8)
                yield orient(rgb, orientation, already_flipped=True), t

    return read_pictures


@contextmanager
def _launched(pipeline: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start gst-launch-1.0; yield it and the pipe of its pictures. At the end, stop it, and then kill it."""
    read_fd, write_fd = os.pipe()
    try:
        # A pipe of its own, because nvarguscamerasrc prints on standard output. SIGPIPE stays ignored and the
        # session is the child's own, so that our signal or our end stops it in good order, never the
        # terminal.
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
        absent = isinstance(error, FileNotFoundError)
        what = "is not installed" if absent else f"can't be started ({reason_of(error)})"
        raise CameraError(f"gst-launch-1.0 {what}: sudo apt install gstreamer1.0-tools") from None
    finally:
        os.close(write_fd)
    try:
        yield child, read_fd
    finally:
        # SIGINT, because older versions of gst-launch-1.0 stop their pipeline on it and die at once on
        # SIGTERM; a camera that is not released wedges nvargus-daemon (NVIDIA-AI-IOT/jetbot#65).
        child.send_signal(signal.SIGINT)
        os.close(read_fd)  # a child that waits to write a picture hears no signal
        try:
            child.wait(INTERRUPT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        cast(IO[bytes], child.stderr).close()


def _frames(
    name: str, child: "subprocess.Popen[bytes]", frames_fd: int, n_bytes: int, abandoned: threading.Event
) -> Iterator[bytearray]:
    """Yield whole frames of n_bytes each. Raises CameraError when the child ends, also within a frame."""
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
            raise CameraError(_last_words(name, filled, n_bytes, messages))
        if filled == n_bytes:
            yield frame
            frame, filled = bytearray(n_bytes), 0


def _last_words(name: str, filled: int, n_bytes: int, messages: bytes) -> str:
    where = f" in the middle of a picture ({filled} of {n_bytes} bytes)" if filled else ""
    lines = messages.decode(errors="replace").splitlines()
    marks = ("ERROR: from", "ERROR", "erroneous")  # the element that failed first says the most
    why = next((line for mark in marks for line in lines if mark in line), "it said nothing")
    todo = (
        "sudo apt install nvidia-l4t-gstreamer"
        if "no element" in why
        else "sudo systemctl restart nvargus-daemon"
    )
    return f"{name}: GStreamer ended{where}: {why} (on a Jetson try: {todo})"
