"""Letter events as JSON lines, for a program that reads this one's standard output."""

import json
import threading
from typing import TextIO

from edge.records import LetterEvent


class JsonLines:
    """One line an event, at once: {"letter", "confidence" 0..1, "t_start", "t_end" in seconds, "text"}.

    When the reader of the stream has gone, it sets `stop`: nobody is left to sign for.
    """

    def __init__(self, stream: TextIO, stop: threading.Event) -> None:
        self._stream, self._stop = stream, stop

    def __call__(self, event: LetterEvent) -> None:
        line = {
            "letter": event.letter,
            "confidence": round(event.confidence, 4),
            "t_start": round(event.t_start, 3),
            "t_end": round(event.t_end, 3),
            "text": event.text,
        }
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._stop.set()
