"""What a turn of the loop took, stage by stage, in as few clock readings as will do.

asked -> the camera gives a frame -> engine calls -> the letter filter -> sinks -> the turn's end
"""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.hand.palm_detector import Palm, PalmDetector
from edge.records import Array, CameraState, Engine, Frame, Image, LetterEvent, LoopStep, Output, Sink

# Seconds, in the order of a row. `hand`: finding or following it, of which the next four are parts.
STAGES = ("camera", "hand", "find", "preprocess", "inference", "decode", "sinks", "frame_to_letter")
ROW = ("t", *STAGES, "looks", "index")  # t: seconds since the first turn began
EMPTY_TURNS = 2000


@dataclass
class Stopwatch:
    """Told of each step in order; keeps a row for each frame. `live`: frames tell when they were captured."""

    live: bool
    clock: Callable[[], float] = time.monotonic
    rows: "array[float]" = field(default_factory=lambda: array("d"))
    letters_t: list[float] = field(default_factory=list)  # when each letter was out, on `clock`
    start_t: float | None = None

    def asked(self) -> None:
        """The loop wants a frame."""
        self._asked_t = self.clock()
        if self.start_t is None:
            self.start_t = self._asked_t

    def got(self, frame: Frame) -> None:
        """The camera gave one."""
        self._frame = frame
        self._got_t = self._engine_t = self.clock()
        self._find_s = self._preprocess_s = self._inference_s = self._sinks_s = 0.0
        self._looks = 0

    def engine(self, engine: Engine) -> Engine:
        """The same engine, timed. What lies between its calls is cutting and scaling the next square."""

        def timed(tensor: Array, upright: bool = False) -> Output:
            begin_t = self.clock()
            output = engine(tensor, upright)
            end_t = self.clock()
            self._preprocess_s += begin_t - self._engine_t
            self._inference_s += end_t - begin_t
            self._engine_t = end_t
            self._looks += 1
            return output

        self._engine_t = self._preprocess_s = self._inference_s = (
            0.0  # the golden input comes before any frame
        )
        self._looks = 0
        return timed

    def find(self, find: PalmDetector) -> PalmDetector:
        """The same palm detector, timed; it is asked where no hand is followed."""

        def timed(image: Image) -> list[Palm]:
            begin_t = self.clock()
            found = find(image)
            end_t = self.clock()
            self._find_s += end_t - begin_t
            self._engine_t += end_t - begin_t
            return found

        return timed

    def sink(self, sink: Sink) -> Sink:
        """The same sink, timed."""

        def timed(event: LetterEvent) -> None:
            begin_t = self.clock()
            sink(event)
            self._sinks_s += self.clock() - begin_t

        return timed

    def read(self) -> None:
        """The hand is found and read; the letter filter begins."""
        self._read_t = self.clock()

    def filtered(self) -> None:
        """The letter filter has ended."""
        self._filtered_t = self.clock()

    def turned(self, step: LoopStep) -> None:
        """The turn is over; without a frame there is nothing to note."""
        frame, event = step.frame, step.event
        if frame is None or self.start_t is None:
            return
        end_t = self.clock()
        self.rows.extend(
            (
                self._asked_t - self.start_t,
                self._got_t - self._asked_t,
                self._read_t - self._got_t,
                self._find_s,
                self._preprocess_s,
                self._inference_s,
                self._filtered_t - self._engine_t,
                self._sinks_s if event is not None else -1.0,
                end_t - (frame.t if self.live else self._asked_t),
                self._looks,
                frame.index,
            )
        )
        if event is not None:
            self.letters_t.append(end_t)

    def table(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """(frames, len(ROW)): a row for each frame."""
        return np.array(self.rows, np.float64).reshape(-1, len(ROW))


def cost_of_a_turn_s() -> float:
    """Seconds that the stopwatch itself takes for a frame with two looks: timed over empty turns."""
    watch = Stopwatch(live=True)
    nothing = Output(np.zeros((1, 1), np.float32), np.zeros(1, np.float32), np.zeros((1, 1, 2), np.float32))
    engine = watch.engine(lambda tensor, upright=False: nothing)
    frame, tensor = Frame(np.zeros((1, 1, 3), np.uint8), 0.0, 0), np.zeros((1, 1), np.float32)
    camera = CameraState("", "live", 0, 0.0, 0)
    begin_s = time.thread_time()
    for _ in range(EMPTY_TURNS):
        watch.asked()
        watch.got(frame)
        engine(tensor)
        engine(tensor)
        watch.read()
        watch.filtered()
        watch.turned(LoopStep(camera, frame))
    return (time.thread_time() - begin_s) / EMPTY_TURNS
