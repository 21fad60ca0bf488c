"""Events as JSON lines: what stands in them, when they are written, and what happens when nobody reads."""

import contextlib
import io
import json
import os
import threading

from edge.records import LetterEvent
from edge.sinks.jsonlines import JsonLines

EVENT = LetterEvent("A", 0.91234567, 12.0001, 12.5006, "CA")


def test_event_is_one_line_of_json() -> None:
    stream = io.StringIO()
    JsonLines(stream, threading.Event())(EVENT)
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "letter": "A",
        "confidence": 0.9123,
        "t_start": 12.0,
        "t_end": 12.501,
        "text": "CA",
    }


def test_line_is_written_at_once() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "w") as stream:
        JsonLines(stream, threading.Event())(EVENT)
        assert os.read(reader.fileno(), 1000).endswith(b"}\n")


def test_reader_that_went_away_stops_the_loop_without_an_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stop = threading.Event()
    stream = os.fdopen(write_end, "w")
    JsonLines(stream, stop)(EVENT)
    assert stop.is_set()
    with contextlib.suppress(BrokenPipeError):  # it tries the line once more
        stream.close()
