"""An observer that records the annotated pictures as a video, for `run --record FILE`.

The format is Matroska: a file that was not closed, after a power cut or on a full disk, can be played. FFmpeg
writes 256 kB at a time; until the first of them the file has another name, so that nobody finds an empty one.
A thread draws and encodes, so that the loop never waits for the disk.
"""

import contextlib
import fcntl
import logging
import os
import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.errors import SettingsError, os_errors_as
from edge.observe.annotate import annotate
from edge.records import Image, LoopStep, Prediction
from edge.system.atomic_files import real_path

log = logging.getLogger(__name__)

SUFFIX = ".mkv"
FPS = 15.0
MAX_SIDE_PX = 960
MAX_BYTES = 1_000_000_000  # of the file: some hours
MIN_FREE_BYTES = 100_000_000  # that stay free on the disk
CHECK_FRAMES = 15  # frames between two looks at the disk
MAX_REPEATS = 15  # of a picture while the camera delivers no other
WAITING = 8  # pictures; further ones are left out while the disk is slow
CLOSE_S = 5.0  # for the thread to write what is waiting
MODE = 0o600  # the video shows people


@contextlib.contextmanager
def recording(path: Path) -> Iterator["Recorder"]:
    """Yield the recorder of a new file. Raises SettingsError if the file exists or can't be written."""
    if path.suffix != SUFFIX:
        raise SettingsError(f"--record must name a file that ends in {SUFFIX}, got {path}")
    if os.path.lexists(path):
        raise SettingsError(f"--record {path} exists: name a new file")
    if _free_bytes(path) < MIN_FREE_BYTES:
        raise SettingsError(
            f"--record {path}: less than {MIN_FREE_BYTES // 1_000_000} MB are free on its disk: make room"
        )
    partial = real_path(path).with_name(f".{path.stem}.partial{SUFFIX}")
    with os_errors_as(SettingsError, f"--record {path} can't be written", "name a new file"):
        lock = _lock(partial, path)
    log.warning(
        "the annotated pictures of the camera are recorded in %s, at most %d MB", path, MAX_BYTES // 1_000_000
    )
    recorder = Recorder(real_path(path), partial)
    try:
        yield recorder
    finally:
        recorder.close()
        os.close(lock)


def _lock(partial: Path, path: Path) -> int:
    """Return the descriptor of the file, which is new or a killed program's, with a lock on it.

    Raises OSError, and SettingsError if another process records it.
    """
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, MODE)
        os.ftruncate(descriptor, 0)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise SettingsError(
                f"--record {path} is being recorded by another program: name a new file"
            ) from None
        raise
    return descriptor


class Recorder:
    """Records each step's picture in the file `partial`, which becomes `path` once it can be played."""

    def __init__(
        self, path: Path, partial: Path, max_bytes: int = MAX_BYTES, min_free_bytes: int = MIN_FREE_BYTES
    ) -> None:
        self._path, self._partial = path, partial
        self._max_bytes, self._min_free_bytes = max_bytes, min_free_bytes
        self._steps: queue.Queue[tuple[Image, Prediction | None, float] | None] = queue.Queue(WAITING)
        self._text = ""
        self._thread = threading.Thread(target=self._record, daemon=True, name="recorder")
        self._thread.start()

    def observe(self, step: LoopStep) -> None:
        """Queue the step's picture. One of a live camera is left out while the disk is slow."""
        if step.event is not None:
            self._text = step.event.text
        if step.frame is not None and self._thread.is_alive():
            wait_s = CLOSE_S if step.camera.is_recording else 0.0
            with contextlib.suppress(queue.Full):
                self._steps.put((step.frame.image, step.prediction, step.frame.t), wait_s > 0, wait_s)

    def close(self) -> None:
        """Write what is waiting, and close the file."""
        with contextlib.suppress(queue.Full):
            self._steps.put(None, timeout=CLOSE_S)
        self._thread.join(CLOSE_S)
        with contextlib.suppress(OSError):
            self._partial.unlink()  # no picture came

    def _record(self) -> None:
        step = self._steps.get()
        if step is None:
            return
        size_px = _fit(step[0])
        writer, first_t, written = _open(self._partial, size_px), step[2], 0
        try:
            while step is not None:
                image, prediction, t = step
                due = int((t - first_t) * FPS) + 1 - written
                if not 0 <= due <= MAX_REPEATS:  # the camera was away, or a new recording began
                    due = 1
                    first_t = t - written / FPS
                if due:
                    frame = _place(annotate(image, prediction, self._text), size_px)
                    for _ in range(due):
                        writer.write(frame)
                    if written // CHECK_FRAMES != (written + due) // CHECK_FRAMES and (why := self._full()):
                        log.warning("%s: %s; the recording has ended, recognition goes on", self._path, why)
                        break
                    written += due
                step = self._steps.get()
        finally:
            writer.release()
            self._name_file()

    def _full(self) -> str:
        """Return why the recording must end; "" if it may go on."""
        with contextlib.suppress(OSError):
            self._name_file()
            file = self._path if self._path.exists() else self._partial
            if file.stat().st_size >= self._max_bytes:
                return f"it has reached {self._max_bytes / 1e6:.0f} MB"
            if _free_bytes(self._path) < self._min_free_bytes:
                return f"less than {self._min_free_bytes / 1e6:.0f} MB are free on the disk"
            return ""
        return "it is gone"

    def _name_file(self) -> None:
        with contextlib.suppress(OSError):
            if self._partial.stat().st_size:
                self._partial.rename(self._path)


def _free_bytes(path: Path) -> float:
    """Return the free bytes of the file's disk; infinity if its folder can't be asked."""
    try:
        return shutil.disk_usage(real_path(path).parent).free
    except OSError:
        return float("inf")


def _open(path: Path, size_px: tuple[int, int]) -> cv2.VideoWriter:
    return cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), FPS, size_px)


def _fit(image: Image) -> tuple[int, int]:
    """Return the video's width and height for pictures like this one: at most MAX_SIDE_PX, and even."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def _place(image: Image, size_px: tuple[int, int]) -> Image:
    """Return the picture as BGR of the video's size, with black bars if it has another shape."""
    width, height = size_px
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    frame = np.zeros((height, width, 3), np.uint8)
    x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    frame[y : y + inner[1], x : x + inner[0]] = cv2.cvtColor(resized, cv2.COLOR_RGB2BGR)
    return frame
