"""Decode a picture in a process of its own, which the kernel ends when it takes too much memory or time.

A process serves one picture at a time and is kept for the next; one that was ended is replaced.
"""

import atexit
import contextlib
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, cast

import numpy as np

from edge.records import Image

FREE_BYTES, BYTES_PER_PIXEL = 96_000_000, 24  # AVIF takes 17 bytes per px, TIFF 13
FREE_S, S_PER_MEGAPIXEL = 1.0, 0.25  # processor time; a picture of 12 megapixels takes 0.3 s on a PC
WAIT_FACTOR, WAIT_S = 10, 30.0  # how long a busy machine may take for it
REQUEST, ANSWER = struct.Struct("<QQd"), struct.Struct("<II")  # bytes, memory, seconds; height, width

_idle: list["_Decoder"] = []
_lock = threading.Lock()


class DecoderError(Exception):
    """The decoder was ended by a limit, or can't be started; the message follows the picture's name."""


def decode_apart(data: bytes, pixels: int) -> Image | None:
    """Decode a picture that states this number of pixels; return (H, W, 3) BGR, None if it can't be decoded.

    Raises DecoderError if it needs more than its budget: 96 MB and 24 bytes per px, 1 s and 0.25 s per
    megapixel.
    """
    with _lock:
        decoder = _idle.pop() if _idle else None
    try:
        decoder = decoder or _Decoder()
        image = decoder.decode(data, pixels)
    except DecoderError:
        raise
    except OSError as error:
        raise DecoderError(f"its decoder can't be started: {error}") from None
    with _lock:
        _idle.append(decoder)
    return image


class _Decoder:
    def __init__(self) -> None:
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge.pictures.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for us
            env=os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])},
        )
        self._requests = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)

    def decode(self, data: bytes, pixels: int) -> Image | None:
        seconds = FREE_S + S_PER_MEGAPIXEL * pixels / 1e6
        timer = threading.Timer(WAIT_FACTOR * seconds + WAIT_S, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                memory = FREE_BYTES + BYTES_PER_PIXEL * pixels
                self._requests.write(REQUEST.pack(len(data), memory, seconds) + data)
                self._requests.flush()
            answer = self._answers.read(ANSWER.size)
            if len(answer) < ANSWER.size:
                raise DecoderError("decoding takes more memory or time than a picture of its size may")
            height, width = ANSWER.unpack(answer)
            if not height:
                return None
            pixels_read = self._answers.read(height * width * 3)
            return np.frombuffer(pixels_read, np.uint8).reshape(height, width, 3)
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()


@atexit.register
def _close_idle() -> None:
    with _lock:
        while _idle:
            _idle.pop().close()
