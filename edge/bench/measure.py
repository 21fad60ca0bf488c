"""Run the loop of edge/pipeline.py as `asl-edge run` does, with a stopwatch at each stage."""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bench.looped_camera import LoopedCamera
from edge.bench.sampler import Sampler, read_memory_mb
from edge.bench.stopwatch import Stopwatch, measure_stopwatch_cost_s
from edge.build import build_camera, build_tracker, open_settings_package
from edge.cameras import Camera
from edge.cameras.synthetic import open_synthetic
from edge.errors import CameraError
from edge.letters.filter import LetterFilter
from edge.personalize.correction import CorrectedEngine
from edge.pipeline import each_letter, run
from edge.records import CameraState, Engine, Frame, LetterEvent, Prediction
from edge.settings import Settings
from edge.sinks.jsonlines import JsonLines
from edge.system.board import BoardReading

Progress = Callable[[float, Stopwatch], None]  # seconds measured, and the rows so far


@dataclass(frozen=True, eq=False)
class BenchRun:
    """The measurements of one run. Times in seconds, memory in MB."""

    table: npt.NDArray[np.float64]  # (frames, len(stopwatch.ROW))
    readings: list[BoardReading]
    span_s: float  # from the first step of the loop to the last
    video_s: float  # the same on the camera's clock
    dropped: int
    letters: int
    cpu_s: float
    peak_mb: float
    steady_mb: float  # median of the second half
    first_frame_s: float | None  # since the process started, without the time to draw test pictures
    first_letter_s: float | None
    stopwatch_cost_s: float  # of the stopwatch, per frame
    sampling_cost_s: float  # of sampling sensors and memory, in all
    ran_on: str  # as in LoadedEngine

    @property
    def own_fraction(self) -> float:
        """The measurement's own fraction of the processor time."""
        return (self.stopwatch_cost_s * len(self.table) + self.sampling_cost_s) / max(self.cpu_s, 1e-9)


def measure(
    settings: Settings, duration_s: float, stop: threading.Event, progress: Progress = lambda s, watch: None
) -> BenchRun:
    """Run the loop for `duration_s` or until `stop`, without skipping still frames. Letters go to /dev/null.

    Raises CameraError if fewer than two frames are read.
    """
    open_settings_package(settings)  # refuse a wrong package before drawing pictures, which takes seconds
    stopwatch_cost_s, began_s = measure_stopwatch_cost_s(), time.monotonic()
    with Path(os.devnull).open("w") as devnull, _open_camera(settings, stop) as camera:
        watch = Stopwatch(live=not camera.state().is_recording)
        drawing_s = time.monotonic() - began_s
        reset_peak_memory()
        ran_on = ""

        def wrap_engine(engine: CorrectedEngine) -> Engine:
            nonlocal ran_on
            ran_on = engine.ran_on
            return watch.engine(engine)

        tracker = build_tracker(settings, wrap_engine, watch.palm_detector)
        letters = _TimedLetters(settings, watch)
        timed = _TimedCamera(camera, watch, duration_s, progress)
        sampler = Sampler()
        cpu_s = _cpu_s()
        with sampler:
            sink = each_letter(watch.sink(JsonLines(devnull, stop)))
            run(timed, tracker, letters, [sink, watch.step_done], stop)
        cpu_s = _cpu_s() - cpu_s
    table = watch.table()
    if len(table) < 2:
        raise CameraError(
            f"{settings.camera} delivered only {len(table)} frames in {duration_s:g} s: measure for longer"
        )
    start_t = (watch.start_t or 0.0) - process_start_t() - drawing_s
    return BenchRun(
        table,
        sampler.readings,
        span_s=timed.span_s,
        video_s=timed.last_t - timed.first_t if watch.live else len(table) / settings.fps,
        dropped=timed.dropped,
        letters=len(watch.letters_t),
        cpu_s=cpu_s,
        # the kernel's peak is inexact, and can be smaller than a sample (proc_pid_status(5))
        peak_mb=max([read_memory_mb("VmHWM"), *sampler.memory_mb]),
        steady_mb=float(np.median(sampler.memory_mb[len(sampler.memory_mb) // 2 :])),
        first_frame_s=start_t + float(table[0, 0] + table[0, 1] + table[0, 2]),
        first_letter_s=start_t + watch.letters_t[0] - (watch.start_t or 0.0) if watch.letters_t else None,
        stopwatch_cost_s=stopwatch_cost_s,
        sampling_cost_s=sampler.cpu_s,
        ran_on=ran_on,
    )


def process_start_t() -> float:
    """Return when this process started, on the monotonic clock (proc_pid_stat(5), field 22)."""
    ticks = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age_s


def reset_peak_memory() -> None:
    """Reset the process's peak memory (proc_pid_clear_refs(5)), if the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _open_camera(settings: Settings, stop: threading.Event) -> Camera:
    kind, _, word = settings.camera.partition(":")
    if kind == "synthetic" and word:
        drawn = open_synthetic(word, settings.fps, realtime=False)
        return LoopedCamera(settings.camera, (frame.image for frame in drawn), settings.fps)
    return build_camera(settings, stop)


class _TimedCamera:
    """Report each frame of a camera to the stopwatch for `duration_s`. Recordings repeat until then."""

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
        delivered = 0
        while True:
            self._watch.frame_requested()
            for frame in self._camera:
                if frame is not None:
                    self._watch.frame_arrived(frame)
                    self.first_t, self.last_t = (self.first_t if delivered else frame.t), frame.t
                    delivered += 1
                yield frame
                self.span_s = time.monotonic() - (self._watch.start_t or 0.0)
                self.dropped = self._camera.dropped
                self._progress(self.span_s, self._watch)
                if self.span_s >= self._duration_s:
                    return
                if frame is not None:
                    self._watch.frame_requested()
            if self._watch.live or not delivered:
                return


class _TimedLetters(LetterFilter):
    """A letter filter that reports the start and end of each update to the stopwatch."""

    def __init__(self, settings: Settings, watch: Stopwatch) -> None:
        super().__init__(settings.hold_s, settings.release_s, settings.space_s, settings.min_mean_confidence)
        self._watch = watch

    def update(self, prediction: Prediction) -> LetterEvent | None:
        self._watch.hand_done()
        event = super().update(prediction)
        self._watch.filter_done()
        return event


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
