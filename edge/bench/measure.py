"""Runs the loop of pipeline.py as `asl-edge run` does, with a stopwatch at each step."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bench.stopwatch import Stopwatch, cost_of_a_turn_s
from edge.build import build_camera, build_tracker
from edge.cameras import Camera
from edge.cameras.looped import LoopedCamera
from edge.cameras.synthetic import open_synthetic
from edge.errors import CameraError
from edge.letters.filter import LetterFilter
from edge.package import open_package
from edge.pipeline import each_letter, run
from edge.records import CameraState, Frame, LetterEvent, Prediction
from edge.settings import Settings
from edge.sinks.jsonlines import JsonLines
from edge.system.board import Reading, read_board

BOARD_S = 2.0  # between two looks at the board's instruments
Progress = Callable[[float, Stopwatch], None]  # seconds measured, and the rows so far


@dataclass(frozen=True, eq=False)
class BenchRun:
    """What one run was; times in seconds, memory in MB."""

    table: npt.NDArray[np.float64]  # (frames, len(stopwatch.ROW))
    readings: list[Reading]
    span_s: float  # from the first turn to the last
    video_s: float  # of the camera's clock
    dropped: int
    letters: int
    cpu_s: float
    peak_mb: float
    steady_mb: float  # median of the second half
    first_frame_s: float | None  # since the process started, the drawing of test pictures left out
    first_letter_s: float | None
    turn_cost_s: float  # of the stopwatch, for a frame
    instruments_cost_s: float  # of reading the board, in all

    @property
    def own_share(self) -> float:
        """Of the processor's time: what the measuring itself took."""
        return (self.turn_cost_s * len(self.table) + self.instruments_cost_s) / max(self.cpu_s, 1e-9)


def measure(
    settings: Settings, duration_s: float, stop: threading.Event, progress: Progress = lambda s, watch: None
) -> BenchRun:
    """Reads for so long, or until `stop`; every frame is read. Letters go to a sink that leads nowhere."""
    open_package(Path(settings.model))  # refused before any picture is drawn
    turn_cost_s, began_s = cost_of_a_turn_s(), time.monotonic()
    watch = Stopwatch(live=not settings.camera.startswith("replay:"))
    with Path(os.devnull).open("w") as nowhere, _camera_of(settings, stop) as camera:
        drawing_s = time.monotonic() - began_s
        forget_peak()
        tracker = build_tracker(settings, wrap_engine=watch.engine, wrap_palm_detector=watch.find)
        letters = _TimedLetters(settings, watch)
        timed = _TimedCamera(camera, watch, duration_s, progress)
        instruments = _Instruments(watch)
        cpu_s = _cpu_s()
        with instruments:
            sink = each_letter(watch.sink(JsonLines(nowhere, stop)))
            run(timed, tracker, letters, [sink, watch.turned], stop)
        cpu_s = _cpu_s() - cpu_s
    table = watch.table()
    if len(table) < 2:
        raise CameraError(
            f"{settings.camera} gave {len(table)} frames in {duration_s:g} s: measure for longer"
        )
    start_t = (watch.start_t or 0.0) - process_start_t() - drawing_s
    return BenchRun(
        table,
        instruments.readings,
        span_s=timed.span_s,
        video_s=timed.last_t - timed.first_t if watch.live else len(table) / settings.fps,
        dropped=timed.dropped,
        letters=len(watch.letters_t),
        cpu_s=cpu_s,
        # the kernel's peak is not exact (proc_pid_status(5)): 0.1 MB below what was read was seen
        peak_mb=max([_status_mb("VmHWM"), *instruments.memory_mb]),
        steady_mb=float(np.median(instruments.memory_mb[len(instruments.memory_mb) // 2 :])),
        first_frame_s=start_t + float(table[0, 0] + table[0, 1] + table[0, 2]),
        first_letter_s=start_t + watch.letters_t[0] - (watch.start_t or 0.0) if watch.letters_t else None,
        turn_cost_s=turn_cost_s,
        instruments_cost_s=instruments.cpu_s,
    )


def process_start_t() -> float:
    """When this process began, on the monotonic clock (proc_pid_stat(5), field 22)."""
    ticks = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age_s


def forget_peak() -> None:
    """The peak of memory counts from now on (proc_pid_clear_refs(5)), where the kernel lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _camera_of(settings: Settings, stop: threading.Event) -> Camera:
    kind, _, what = settings.camera.partition(":")
    if kind == "synthetic" and what:
        drawn = open_synthetic(what, settings.fps, realtime=False)
        return LoopedCamera(settings.camera, (frame.image for frame in drawn), settings.fps)
    return build_camera(settings, stop)


class _TimedCamera:
    """The camera, timed, for `duration_s`; a recording is played again and again."""

    def __init__(self, camera: Camera, watch: Stopwatch, duration_s: float, progress: Progress) -> None:
        self._camera, self._watch, self._duration_s, self._progress = camera, watch, duration_s, progress
        self.first_t = self.last_t = self.span_s = 0.0
        self.dropped = 0

    def __enter__(self) -> "_TimedCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def state(self) -> CameraState:
        return self._camera.state()

    def __iter__(self) -> Iterator[Frame | None]:
        given = 0
        while True:
            self._watch.asked()
            for frame in self._camera:
                if frame is not None:
                    self._watch.got(frame)
                    self.first_t, self.last_t = (self.first_t if given else frame.t), frame.t
                    given += 1
                yield frame
                self.span_s = time.monotonic() - (self._watch.start_t or 0.0)
                self.dropped = self._camera.dropped
                self._progress(self.span_s, self._watch)
                if self.span_s >= self._duration_s:
                    return
                if frame is not None:
                    self._watch.asked()
            if self._watch.live or not given:
                return


class _TimedLetters(LetterFilter):
    def __init__(self, settings: Settings, watch: Stopwatch) -> None:
        super().__init__(settings.hold_s, settings.release_s, settings.space_s, settings.min_mean_confidence)
        self._watch = watch

    def update(self, prediction: Prediction) -> LetterEvent | None:
        self._watch.read()
        event = super().update(prediction)
        self._watch.filtered()
        return event


class _Instruments:
    """Reads the board and this process's memory now and then, in a thread of its own that times itself."""

    def __init__(self, watch: Stopwatch) -> None:
        self.readings: list[Reading] = []
        self.memory_mb: list[float] = []
        self.cpu_s = 0.0
        self._watch, self._over = watch, threading.Event()
        self._thread = threading.Thread(target=self._read, name="instruments", daemon=True)

    def __enter__(self) -> "_Instruments":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        began_t, children_s = time.monotonic(), _children_s()
        while True:
            self.readings.append(read_board(time.monotonic() - began_t))
            self.memory_mb.append(_status_mb("VmRSS"))
            self.cpu_s = time.thread_time() + _children_s() - children_s
            if self._over.wait(BOARD_S):
                return


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _status_mb(key: str) -> float:
    """VmRSS or VmHWM of this process (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return float("nan")
