"""A stopwatch for the stages of a loop step that reads the clock as rarely as possible.

frame requested -> frame arrived -> inferences -> letter filter -> sinks -> step done
"""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.hand.palm_detector import Palm, PalmDetector
from edge.records import Array, CameraState, Engine, Frame, Image, LetterEvent, LoopStep, Output, Sink

# In seconds, in the order of a row. `hand` is searching or tracking; the next four stages are parts of it.
STAGES = ("camera", "hand", "find", "preprocess", "inference", "decode", "sinks", "frame_to_letter")
ROW = ("t", *STAGES, "inferences", "index")  # t: seconds since the first step began
EMPTY_STEPS = 2000


@dataclass
class Stopwatch:
    """Record a row for each frame. The loop calls one method at each stage, in order.

    `live`: a frame's time is the time of its capture, on `clock`.
    """

    live: bool
    clock: Callable[[], float] = time.monotonic
    rows: "array[float]" = field(default_factory=lambda: array("d"))
    letters_t: list[float] = field(default_factory=list)  # when each letter was written, on `clock`
    start_t: float | None = None

    def frame_requested(self) -> None:
        """The loop asks for a frame."""
        self._requested_t = self.clock()
        if self.start_t is None:
            self.start_t = self._requested_t

    def frame_arrived(self, frame: Frame) -> None:
        """The camera has delivered a frame."""
        self._frame = frame
        self._arrived_t = self._engine_t = self.clock()
        self._find_s = self._preprocess_s = self._inference_s = self._sinks_s = 0.0
        self._inferences = 0

    def engine(self, engine: Engine) -> Engine:
        """Return the engine, timed. The time between its calls counts as preprocessing: cropping, scaling."""

        def timed(tensor: Array, upright: bool = False) -> Output:
            begin_t = self.clock()
            output = engine(tensor, upright)
            end_t = self.clock()
            self._preprocess_s += begin_t - self._engine_t
            self._inference_s += end_t - begin_t
            self._engine_t = end_t
            self._inferences += 1
            return output

        # the golden input runs before the first frame
        self._engine_t = self._preprocess_s = self._inference_s = 0.0
        self._inferences = 0
        return timed

    def palm_detector(self, detect: PalmDetector) -> PalmDetector:
        """Return the palm detector, timed. It runs when no hand is tracked."""

        def timed(image: Image) -> list[Palm]:
            begin_t = self.clock()
            palms = detect(image)
            end_t = self.clock()
            self._find_s += end_t - begin_t
            self._engine_t += end_t - begin_t
            return palms

        return timed

    def sink(self, sink: Sink) -> Sink:
        """Return the sink, timed."""

        def timed(event: LetterEvent) -> None:
            begin_t = self.clock()
            sink(event)
            self._sinks_s += self.clock() - begin_t

        return timed

    def hand_done(self) -> None:
        """The hand's prediction is ready; the letter filter begins."""
        self._hand_t = self.clock()

    def filter_done(self) -> None:
        """The letter filter has ended."""
        self._filtered_t = self.clock()

    def step_done(self, step: LoopStep) -> None:
        """The step is over. A step without a frame adds no row."""
        frame, event = step.frame, step.event
        if frame is None or self.start_t is None:
            return
        end_t = self.clock()
        self.rows.extend(
            (
                self._requested_t - self.start_t,
                self._arrived_t - self._requested_t,
                self._hand_t - self._arrived_t,
                self._find_s,
                self._preprocess_s,
                self._inference_s,
                self._filtered_t - self._engine_t,
                self._sinks_s if event is not None else -1.0,
                end_t - (frame.t if self.live else self._requested_t),
                self._inferences,
                frame.index,
            )
        )
        if event is not None:
            self.letters_t.append(end_t)

    def table(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return (frames, len(ROW)): one row for each frame."""
        return np.array(self.rows, np.float64).reshape(-1, len(ROW))


def measure_stopwatch_cost_s() -> float:
    """Return the stopwatch's own time for a frame with two inferences, measured over empty steps."""
    watch = Stopwatch(live=True)
    nothing = Output(np.zeros((1, 1), np.float32), np.zeros(1, np.float32), np.zeros((1, 1, 2), np.float32))
    engine = watch.engine(lambda tensor, upright=False: nothing)
    frame, tensor = Frame(np.zeros((1, 1, 3), np.uint8), 0.0, 0), np.zeros((1, 1), np.float32)
    camera = CameraState("", "live", 0, 0.0, 0)
    begin_s = time.thread_time()
    for _ in range(EMPTY_STEPS):
        watch.frame_requested()
        watch.frame_arrived(frame)
        engine(tensor)
        engine(tensor)
        watch.hand_done()
        watch.filter_done()
        watch.step_done(LoopStep(camera, frame))
    return (time.thread_time() - begin_s) / EMPTY_STEPS
