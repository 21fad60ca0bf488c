"""The loop. Read this file first: every other module is one of the steps named here.

camera -> Frame -> HandTracker -> Prediction -> LetterFilter -> LetterEvent, and all of it to the observers

While nothing moves (edge/hand/motion_gate.py), frames are not read.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge.cameras import Camera
from edge.errors import reason_of
from edge.hand.motion_gate import MotionGate
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.records import LoopStep, Observer, Prediction, Sink

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What one run of the loop did."""

    frames: int  # read by the network
    dropped: int  # offered by the camera and not read
    letters: int
    text: str
    rested: int = 0  # frames that were not read because nothing moved


def run(
    camera: Camera,
    tracker: HandTracker,
    letters: LetterFilter,
    observers: Sequence[Observer],
    stop: threading.Event,
    motion_gate: MotionGate | None = None,
) -> Summary:
    """Run until the camera ends or `stop` is set. Raises CameraError if the camera fails.

    Every observer gets every step, in order. Without a `motion_gate` every frame is read.
    """
    frames, rested, sent, text = 0, 0, 0, ""
    failed: set[int] = set()  # observers that have failed: each is reported once
    for step in iterate_steps(camera, tracker, letters, stop, motion_gate):
        if step.frame is not None:
            frames, rested = frames + (not step.still), rested + step.still
        if step.event is not None:
            sent, text = sent + 1, step.event.text
            log.debug("read %s", step.event.letter)
        _notify(observers, step, failed)
    return Summary(frames, camera.dropped, sent, text, rested)


def iterate_steps(
    camera: Camera,
    tracker: HandTracker,
    letters: LetterFilter,
    stop: threading.Event,
    motion_gate: MotionGate | None = None,
) -> Iterator[LoopStep]:
    """Yield every step until the camera ends or `stop` is set. Raises CameraError if the camera fails."""
    prediction: Prediction | None = None
    for frame in camera:
        if stop.is_set():
            break
        event, inference_s = None, 0.0
        still = frame is not None and motion_gate is not None and motion_gate.rests(frame)
        if frame is not None and still:
            unchanged = _unchanged(prediction, frame.t)
            event = letters.update(unchanged) if unchanged is not None else None
        elif frame is not None:
            started_s = time.perf_counter()
            prediction = tracker.follow(frame)
            event = letters.update(prediction)
            inference_s = time.perf_counter() - started_s
        shown = prediction if frame is not None else None
        yield LoopStep(camera.state(), frame, shown, event, inference_s, still)


def each_letter(sink: Sink) -> Observer:
    """Return an observer that passes every letter to `sink`."""

    def observe(step: LoopStep) -> None:
        if step.event is not None:
            sink(step.event)

    return observe


def _unchanged(last: Prediction | None, t: float) -> Prediction | None:
    """Return the prediction for a frame that shows the same as the last one that was read.

    No hand is still no hand, so time passes and a space may become due. A hand that is held still has been
    read for as long as a letter takes; repeating its last prediction could turn one wrong frame into a
    letter.
    """
    return None if last is None or last.hand is not None else replace(last, t=t)


def _notify(observers: Sequence[Observer], step: LoopStep, failed: set[int]) -> None:
    for number, observer in enumerate(observers):
        try:
            observer(step)
        except Exception as error:  # whatever an observer does, the loop goes on
            if number not in failed:
                log.warning("%s; letters may be missing", _describe(error))
            failed.add(number)


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} can't be written: {reason_of(error)}"
    return f"an observer of the loop failed: {type(error).__name__}: {error}"
