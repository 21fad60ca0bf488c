"""A network camera: H.264 or H.265 over RTSP, or JPEGs over HTTP, read by FFmpeg in a process of its own.

The process is network_worker.py. Whatever a stream holds, only that process can hang or end. It gets the
address with user and password over a pipe, because everybody on the machine may see arguments.
"""

import contextlib
import json
import os
import re
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast
from urllib.parse import SplitResult, quote, urlsplit

import numpy as np

from edge.cameras.driver import LiveSource, Pictures
from edge.cameras.orientation import AS_MOUNTED, Orientation, orient
from edge.errors import CameraError
from edge.printable import printable

SCHEMES = ("rtsp", "rtsps", "http", "https")
POLL_S = 0.2  # interval at which a wait for pictures checks whether the capture was abandoned
PICTURE = struct.Struct("<IId")  # height, width, capture time; RGB follows
STDERR_BYTES = 16384  # the end of what FFmpeg prints, kept for the error message
OPEN_S = 10  # for a stream to open
# exit codes of the worker
NOT_OPENED, ENDED, BEHIND = 3, 4, 5
# What FFmpeg's h264 decoder prints when a stream begins and when its size changes. OpenCV would go on with
# pictures that are stretched to the first size.
STREAM_SIZE = re.compile(rb"Reinit context to (\d+x\d+)")
REASON = re.compile(r"\b40\d\b|refused|resolve|failed|error|timed out|unreachable|no route", re.IGNORECASE)


@dataclass(frozen=True)
class Login:
    """User and password at a network camera; empty if it asks for none."""

    user: str = ""
    password: str = field(default="", repr=False)


NO_LOGIN = Login()


def is_network_camera(name: str) -> bool:
    return name.partition("://")[0].lower() in SCHEMES and "://" in name


def network_source(url: str, login: Login = NO_LOGIN, orientation: Orientation = AS_MOUNTED) -> LiveSource:
    """Return the camera of an address.

    Its name has neither path nor query, because some cameras take the password there. Raises CameraError for
    a wrong address, and for one that holds user or password.
    """
    parts = _parse(url)
    name = f"{parts.scheme}://{parts.netloc}"
    user = quote(login.user, safe="")
    address = parts._replace(netloc=f"{user}:{quote(login.password, safe='')}@{parts.netloc}")
    request = {"url": (address if login.user else parts).geturl(), "is_rtsp": parts.scheme.startswith("rtsp")}

    def read_pictures(abandoned: threading.Event) -> Pictures:
        with _run_worker(request) as worker:
            for image, t in _read_pictures(name, worker, bool(login.user), abandoned):
                yield orient(image, orientation), t

    return LiveSource(name, read_pictures, None)


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a wrong port raises
    except ValueError:
        host = None
    if not host or not url.isprintable() or " " in url:
        raise CameraError(
            "the address of the network camera must be rtsp://HOST[:PORT]/PATH or http://HOST[:PORT]/PATH"
        )
    if "@" in parts.netloc:
        raise CameraError(
            f"the address of the camera at {host} holds user or password, which others could read: leave "
            "them out, and give camera.user and camera.password_file"
        )
    return parts


@contextlib.contextmanager
def _run_worker(request: dict[str, object]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the worker, give it the request, and yield it. It is killed at the end."""
    root = str(Path(__file__).parents[2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
        "OPENCV_LOG_LEVEL": "SILENT",
        "OPENCV_FFMPEG_DEBUG": "1",
        "OPENCV_FFMPEG_LOGLEVEL": "40",  # AV_LOG_VERBOSE; the headers with the password come at 48 and above
    }
    pipe = subprocess.PIPE
    try:
        worker = subprocess.Popen(
            [sys.executable, "-m", "edge.cameras.network_worker"],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,  # Ctrl-C in the terminal is for us
            env=environment,
        )
    except OSError as error:
        raise CameraError(f"the process that reads network cameras can't be started: {error}") from None
    streams = [cast(IO[bytes], stream) for stream in (worker.stdin, worker.stdout, worker.stderr)]
    try:
        with contextlib.suppress(BrokenPipeError):
            streams[0].write(json.dumps(request).encode())
            streams[0].close()
        yield worker
    finally:
        worker.kill()
        worker.wait()
        for stream in streams:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _read_pictures(
    name: str, worker: "subprocess.Popen[bytes]", has_login: bool, abandoned: threading.Event
) -> Pictures:
    """Yield pictures until abandoned. Raises CameraError when the worker ends or the size changes."""
    pictures_fd, stderr_fd = (cast(IO[bytes], pipe).fileno() for pipe in (worker.stdout, worker.stderr))
    poll = select.poll()
    poll.register(pictures_fd, select.POLLIN)
    poll.register(stderr_fd, select.POLLIN)
    messages, sizes = b"", set[bytes]()
    data, filled = bytearray(PICTURE.size), 0
    shape: tuple[int, int, float] | None = None  # None: the header of a picture comes next
    while not abandoned.is_set():
        ready = {fd for fd, _ in poll.poll(POLL_S * 1000)}
        if stderr_fd in ready:
            if text := os.read(stderr_fd, 4096):
                messages = (messages + text)[-STDERR_BYTES:]
                sizes.update(STREAM_SIZE.findall(messages))
            else:
                poll.unregister(stderr_fd)
        if len(sizes) > 1:
            raise CameraError(f"{name} has changed the size of its pictures")
        if pictures_fd not in ready:
            continue
        n = os.readv(pictures_fd, [memoryview(data)[filled:]])
        filled += n
        if n == 0:
            code = worker.wait()
            messages += cast(IO[bytes], worker.stderr).read()
            raise CameraError(f"{name} {_describe_end(code, messages, has_login)}")
        if filled < len(data):
            continue
        if shape is None:
            height, width, t = shape = PICTURE.unpack(data)
            data, filled = bytearray(height * width * 3), 0
        else:
            height, width, t = shape
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3), t
            data, filled, shape = bytearray(PICTURE.size), 0, None


def _describe_end(code: int, messages: bytes, has_login: bool) -> str:
    """Return why the worker ended, and what to do, to follow the camera's name."""
    if code == BEHIND:
        return "sends more than this device can decode: choose its smaller stream, often called substream"
    if code not in (NOT_OPENED, ENDED):
        return f"sends a stream that FFmpeg does not survive (code {code}): choose another stream"
    lines = [line for line in messages.decode(errors="replace").splitlines() if REASON.search(line)]
    reason = printable(lines[-1].partition("] ")[2].strip()) if lines else ""
    if code == ENDED:
        return "has ended the stream" + (f" ({reason})" if reason else "")
    if re.search(r"\b40[13]\b", reason):
        if has_login:
            return "refuses this user and password: correct camera.user and the file of camera.password_file"
        return "asks for user and password: give camera.user and camera.password_file"
    if re.search(r"\b404\b", reason):
        return "has no stream of this name: correct the path in camera.source"
    if "Immediate exit requested" in reason:  # by the limit of time
        return f"gives no answer within {OPEN_S} s: check its address, and that it is on"
    if not reason:
        return "answers with nothing that is a video: name the address of its RTSP or MJPEG stream"
    return f"can't be opened ({_without_address(reason)}): check its address, and that it is on"


def _without_address(reason: str) -> str:
    """Return FFmpeg's words without the address, which may hold a password in its path."""
    return re.sub(r"\S*://\S*", "the camera", reason)
