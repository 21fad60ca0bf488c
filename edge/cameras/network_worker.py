"""The process that reads one network camera: it writes its pictures to standard output.

edge/cameras/network.py starts it and describes what it gets and writes.
"""

import ctypes
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.cameras.network import BEHIND, ENDED, NOT_OPENED, OPEN_S, PICTURE
from edge.errors import PictureError
from edge.pictures import decode_picture
from edge.preprocess import scale_down
from edge.records import Image

READ_S = 5  # limit of one call; the supervisor's limit of silence is shorter
MAX_BYTES = 600_000_000  # of memory: H.264 in 4K takes 300 MB
MAX_SIDE_PX = 1280  # larger pictures are scaled down: a hand at arm's length is large enough
MAX_LAG_S, LAG_HOLD_S = 2.0, 5.0  # so far behind the camera's clock, for so long, ends the stream
JUMP_S = 1.0  # the camera's clock was set: its times jump
# TCP, because a lost packet of UDP spoils pictures for seconds. The lists keep a server from leading FFmpeg
# to files and to other formats. nobuffer: no pictures are kept back at the start.
RTSP_OPTIONS = (
    "rtsp_transport;tcp|fflags;nobuffer"
    "|format_whitelist;rtsp,rtp,sdp|protocol_whitelist;rtsp,rtsps,rtp,tcp,tls"
)
HTTP_OPTIONS = "fflags;nobuffer|format_whitelist;mpjpeg|protocol_whitelist;http,https,httpproxy,tcp,tls"


@dataclass
class Lag:
    """How far the pictures are behind the camera's clock, as far as the least delay so far tells."""

    least_s: float = float("inf")  # arrival minus the camera's time
    last_s: float = float("inf")
    behind_since_s: float = float("inf")

    def is_too_long(self, arrival_s: float, camera_s: float) -> bool:
        """Take a picture's times; return whether it has been too late for too long."""
        delay_s = arrival_s - camera_s
        if abs(delay_s - self.last_s) > JUMP_S:
            self.least_s = delay_s
        self.last_s = delay_s
        self.least_s = min(self.least_s, delay_s)
        if delay_s - self.least_s <= MAX_LAG_S:
            self.behind_since_s = float("inf")
        else:
            self.behind_since_s = min(self.behind_since_s, arrival_s)
        return arrival_s - self.behind_since_s > LAG_HOLD_S


def main() -> int:
    """Read the camera until it ends. Return the exit code that says why."""
    request = json.load(sys.stdin)
    pictures = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # OpenCV prints FFmpeg's words to standard output
    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MAX_BYTES if highest == resource.RLIM_INFINITY else min(MAX_BYTES, highest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = RTSP_OPTIONS if request["is_rtsp"] else HTTP_OPTIONS
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_S * 1000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_S * 1000]
    # Each further thread delays the pictures by one.
    capture = cv2.VideoCapture(request["url"], cv2.CAP_FFMPEG, [*limits, cv2.CAP_PROP_N_THREADS, 2])
    if not capture.isOpened():
        return NOT_OPENED
    flush_words, lag = ctypes.CDLL(None).fflush, Lag()
    for image, t in _decode_video(capture) if request["is_rtsp"] else _decode_jpegs(capture):
        height, width = image.shape[:2]
        pictures.write(PICTURE.pack(height, width, t))
        pictures.write(image.data.cast("B"))
        pictures.flush()
        flush_words(None)  # C's own buffer, with what FFmpeg printed
        # an MJPEG stream holds no times
        if request["is_rtsp"] and lag.is_too_long(t, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000):
            return BEHIND
    return ENDED


def _decode_video(capture: cv2.VideoCapture) -> Iterator[tuple[Image, float]]:
    while True:
        ok, bgr = capture.read()
        if not ok:
            return
        t = time.monotonic()
        yield (
            np.asarray(
                cv2.cvtColor(scale_down(np.asarray(bgr, np.uint8), MAX_SIDE_PX), cv2.COLOR_BGR2RGB), np.uint8
            ),
            t,
        )


def _decode_jpegs(capture: cv2.VideoCapture) -> Iterator[tuple[Image, float]]:
    """Yield the pictures of a stream of JPEGs. Damaged ones are left out.

    FFmpeg only cuts the stream into JPEGs: OpenCV would stretch all pictures to the first one's size.
    """
    capture.set(cv2.CAP_PROP_FORMAT, -1)
    while True:
        ok, data = capture.read()
        t = time.monotonic()
        if not ok:
            return
        try:
            rgb = decode_picture(data.tobytes(), "")
        except PictureError:
            continue
        yield np.ascontiguousarray(scale_down(rgb, MAX_SIDE_PX)), t


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # the program that reads the pictures is gone
        os._exit(ENDED)
