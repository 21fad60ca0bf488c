"""The loop. Read this file first: everything else is one of the steps that it names.

camera -> Frame -> HandReader -> Prediction -> LetterFilter -> LetterEvent -> sinks
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.cameras import Camera
from edge.hand import HandReader
from edge.letters import LetterFilter
from edge.records import LetterEvent, Moment, Sink

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What one run of the loop did."""

    frames: int  # read by the network
    dropped: int  # offered by the camera and not read
    letters: int
    text: str


def run(
    camera: Camera,
    reader: HandReader,
    letters: LetterFilter,
    sinks: Sequence[Sink],
    stop: threading.Event,
    turned: Callable[[Moment], None] = lambda moment: None,
) -> Summary:
    """Reads until the camera ends or `stop` is set; CameraError where the camera fails.

    `turned` is called at the end of each turn: under systemd it feeds the watchdog.
    """
    frames, sent, text = 0, 0, ""
    broken: set[int] = set()  # sinks that have failed: each is reported once
    for frame in camera:
        if stop.is_set():
            break
        moment = Moment()
        if frame is not None:  # else the camera has nothing yet, or is blind and being opened again
            frames += 1
            started_s = time.perf_counter()
            prediction = reader.follow(frame)
            event = letters.update(prediction)
            moment = Moment(frame, prediction, event, time.perf_counter() - started_s)
        if (event := moment.event) is not None:
            sent, text = sent + 1, event.text
            log.debug("read %s", event.letter)
            _send(event, sinks, broken)
        turned(moment)
    return Summary(frames, camera.dropped, sent, text)


def _send(event: LetterEvent, sinks: Sequence[Sink], broken: set[int]) -> None:
    """A sink that raises loses this event and is tried again with the next; the loop goes on."""
    for number, sink in enumerate(sinks):
        try:
            sink(event)
        except Exception as error:  # whatever a sink does, the letters go on
            if number not in broken:
                log.warning("a sink failed and may miss letters: %s: %s", type(error).__name__, error)
            broken.add(number)
