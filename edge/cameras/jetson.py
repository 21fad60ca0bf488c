"""A CSI camera on a Jetson: GStreamer in a process of its own, its pictures over a pipe.

So it works with any Python and without OpenCV's GStreamer, and a hung Argus hangs a child and not us.
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

from edge.cameras.capture_thread import Driver, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, oriented
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError, reason_of

# 16:9 as the source below: nvvidconv scales each side by itself. A hand fills enough of it at arm's length.
SIZE_PX = (640, 360)
LOOK_S = 0.2  # how often a wait for the child looks whether it should end
SAID_BYTES = 16384  # of the child's standard error that are kept for the error's sentence
INTERRUPT_S = 3.0  # for GStreamer to put its pipeline away before it is killed
# nvvidconv flip-method for (hflip, vflip): `gst-inspect-1.0 nvvidconv`, as in JetsonHacksNano/CSI-Camera
FLIP_METHOD = {(False, False): 0, (True, True): 2, (True, False): 4, (False, True): 6}


def open_jetson(
    number: int,
    fps: float = 30.0,
    stop: threading.Event | None = None,
    orientation: Orientation = AS_MOUNTED,
    patience: Timeouts | None = None,
) -> ReconnectingCamera:
    """The CSI camera with this sensor-id."""
    name = f"jetson:{number}"
    driver = gstreamer_driver(name, argus(number, fps, orientation), SIZE_PX, orientation)
    patience = patience or Timeouts(close_s=INTERRUPT_S + 1)
    return ReconnectingCamera(name, driver, orientation.size(SIZE_PX), stop, patience)


def argus(number: int, fps: float, orientation: Orientation) -> str:
    """The elements up to RGBA in ordinary memory; scaling, flips and colours are done in hardware.

    Of what nvvidconv can write to ordinary memory, RGBA alone has whole pixels in RGB's order: one pass drops
    its fourth byte, and no YUV has to be guessed. 1280x720 is what JetsonHacksNano/CSI-Camera asks for.
    """
    return (
        f"nvarguscamerasrc sensor-id={number} "
        f"! video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate={round(fps)}/1 "
        f"! nvvidconv flip-method={FLIP_METHOD[orientation.hflip, orientation.vflip]}"
    )


def gstreamer_driver(
    name: str, elements: str, size_px: tuple[int, int], orientation: Orientation = AS_MOUNTED
) -> Driver:
    """Pictures of any GStreamer elements that can end in RGBA of this size; CameraError has last words."""
    width, height = size_px
    caps = f"video/x-raw,format=RGBA,width={width},height={height}"

    def pictures(gone: threading.Event) -> Pictures:
        with _launched(f"{elements} ! {caps} ! fdsink sync=false") as (child, frames_fd):
            for data in _frames(name, child, frames_fd, width * height * 4, gone):
                t = time.monotonic()  # when it was whole: GStreamer's own times don't come over the pipe
                rgba = np.frombuffer(data, np.uint8).reshape(height, width, 4)
                rgb = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.uint8)
                yield oriented(rgb, orientation, flips_done=True), t

    return pictures


@contextmanager
def _launched(pipeline: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """gst-launch-1.0 and the pipe that its pictures come from; in the end it is told to stop, then killed."""
    read_fd, write_fd = os.pipe()
    try:
        # A pipe of its own, as nvarguscamerasrc prints on standard output. SIGPIPE stays ignored and the
        # session is its own: it ends in good order by our signal or our end, never by the terminal's.
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
        # SIGINT, because older gst-launch-1.0 stop their pipeline for it and die at once of SIGTERM; a
        # camera that is not released wedges nvargus-daemon (NVIDIA-AI-IOT/jetbot#65)
        child.send_signal(signal.SIGINT)
        os.close(read_fd)  # else it waits until its last picture is read, and hears no signal
        try:
            child.wait(INTERRUPT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        cast(IO[bytes], child.stderr).close()


def _frames(
    name: str, child: "subprocess.Popen[bytes]", frames_fd: int, n_bytes: int, gone: threading.Event
) -> Iterator[bytearray]:
    """Whole frames of n_bytes each. CameraError when the child ends, also in the middle of one."""
    said_pipe = cast(IO[bytes], child.stderr)
    said_fd = said_pipe.fileno()
    said = b""
    poll = select.poll()
    poll.register(frames_fd, select.POLLIN)
    poll.register(said_fd, select.POLLIN)
    frame, filled = bytearray(n_bytes), 0
    while not gone.is_set():
        ready = {fd for fd, _ in poll.poll(LOOK_S * 1000)}
        if said_fd in ready:
            if text := os.read(said_fd, 4096):
                said = (said + text)[-SAID_BYTES:]
            else:
                poll.unregister(said_fd)
        if frames_fd not in ready:
            continue
        n = os.readv(frames_fd, [memoryview(frame)[filled:]])
        filled += n
        if n == 0:
            with suppress(subprocess.TimeoutExpired):
                child.wait(INTERRUPT_S)
                said += said_pipe.read()
            raise CameraError(_last_words(name, filled, n_bytes, said))
        if filled == n_bytes:
            yield frame
            frame, filled = bytearray(n_bytes), 0


def _last_words(name: str, filled: int, n_bytes: int, said: bytes) -> str:
    where = f" in the middle of a picture ({filled} of {n_bytes} bytes)" if filled else ""
    lines = said.decode(errors="replace").splitlines()
    marks = ("ERROR: from", "ERROR", "erroneous")  # the element that failed first tells the most
    why = next((line for mark in marks for line in lines if mark in line), "it said nothing")
    todo = (
        "sudo apt install nvidia-l4t-gstreamer"
        if "no element" in why
        else "sudo systemctl restart nvargus-daemon"
    )
    return f"{name}: GStreamer ended{where}: {why} (on a Jetson try: {todo})"
