"""The loop. Read this file first: everything else is one of the steps that it names.

camera -> Frame -> HandReader -> Prediction -> LetterFilter -> LetterEvent -> sinks

While nothing moves (motion.py) a frame is looked at and not read.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge.cameras import Camera
from edge.hand.motion_gate import MotionGate
from edge.hand.reader import HandReader
from edge.letters.filter import LetterFilter
from edge.records import LetterEvent, LoopStep, Prediction, Sink

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What one run of the loop did."""

    frames: int  # read by the network
    dropped: int  # offered by the camera and not read
    letters: int
    text: str
    rested: int = 0  # looked at, and not read because nothing had moved


def run(
    camera: Camera,
    reader: HandReader,
    letters: LetterFilter,
    sinks: Sequence[Sink],
    stop: threading.Event,
    turned: Callable[[LoopStep], None] = lambda step: None,
    motion_gate: MotionGate | None = None,
) -> Summary:
    """Reads until the camera ends or `stop` is set; CameraError where the camera fails.

    `turned` is called at the end of each turn: under systemd it feeds the watchdog. `motion_gate` None: every
    frame is read.
    """
    frames, rested, sent, text = 0, 0, 0, ""
    prediction: Prediction | None = None
    broken: set[int] = set()  # sinks that have failed: each is reported once
    for frame in camera:
        if stop.is_set():
            break
        step = LoopStep()
        if frame is not None:  # else the camera has nothing yet, or is blind and being opened again
            if motion_gate is not None and motion_gate.rests(frame):
                rested += 1
                unchanged = _unchanged(prediction, frame.t)
                event = letters.update(unchanged) if unchanged is not None else None
                step = LoopStep(frame, prediction, event, still=True)
            else:
                frames += 1
                started_s = time.perf_counter()
                prediction = reader.follow(frame)
                event = letters.update(prediction)
                step = LoopStep(frame, prediction, event, time.perf_counter() - started_s)
        if (event := step.event) is not None:
            sent, text = sent + 1, event.text
            log.debug("read %s", event.letter)
            _send(event, sinks, broken)
        turned(step)
    return Summary(frames, camera.dropped, sent, text, rested)


def _unchanged(last: Prediction | None, t: float) -> Prediction | None:
    """What a frame says that shows what the last one showed.

    No hand is still no hand: time passes, and a space may come due. A hand that is held still has been read
    for as long as a letter takes; said again and again, a last wrong answer would become a letter. So
    it says nothing, and the letter stays held.
    """
    return None if last is None or last.hand is not None else replace(last, t=t)


def _send(event: LetterEvent, sinks: Sequence[Sink], broken: set[int]) -> None:
    """A sink that raises loses this event and is tried again with the next; the loop goes on."""
    for number, sink in enumerate(sinks):
        try:
            sink(event)
        except Exception as error:  # whatever a sink does, the letters go on
            if number not in broken:
                log.warning("a sink failed and may miss letters: %s: %s", type(error).__name__, error)
            broken.add(number)
