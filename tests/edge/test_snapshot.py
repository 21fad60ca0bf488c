"""What watchers see of the loop, and that they can't disturb it."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from edge.letters.filter import LetterFilter
from edge.observe.snapshot import ASKED, HISTORY, Live
from edge.records import CameraState, Frame, LetterEvent, Moment, Prediction, Seen

LIVE = CameraState("usb:0", "live", 0, 0.0, 3)


def moment(index: int, letter: str = "") -> Moment:
    """The index-th frame, of a camera of 10 frames a second."""
    frame = Frame(np.full((32, 32, 3), 128, np.uint8), index / 10, index)
    event = LetterEvent(letter, 0.9, frame.t - 0.5, frame.t, letter) if letter else None
    return Moment(frame, Prediction(None, 0.0, None, frame.t), event, 0.01)


def newest(live: Live) -> Seen:
    assert live.seen is not None
    return live.seen


def test_newest_turn_is_seen_whole_with_the_last_frame_and_letters() -> None:
    live = Live(LetterFilter(), 0.5)
    for index in range(20):
        live.turn(moment(index, "ABCDEFGHIJKLMNOPQRST"[index]), LIVE)
    live.turn(Moment(), LIVE)  # the camera has nothing for the moment
    seen = newest(live)
    assert (seen.number, seen.read, seen.offered, seen.moment.frame) == (20, 20, 20, None)
    assert seen.picture is not None
    assert seen.picture.index == 19
    assert "".join(event.letter for event in seen.history) == "TSRQPONMLKJI"[:HISTORY]


def test_text_is_edited_between_two_frames_and_not_before() -> None:
    letters = LetterFilter()
    for tenth in range(8):
        letters.update(Prediction("A", 0.9, None, tenth / 10))
    live = Live(letters, 0.5)
    live.edit("space")
    assert letters.text == "A"
    live.turn(moment(0), LIVE)
    assert newest(live).text == "A "


def test_frames_that_were_not_read_are_not_counted_as_read() -> None:
    live = Live(LetterFilter(), 0.5)
    live.turn(moment(0), LIVE)
    latency_s = newest(live).latency_s
    for index in range(1, 9):
        live.turn(replace(moment(index), still=True, reading_s=0.0), LIVE)
    seen = newest(live)
    assert (seen.read, seen.offered, seen.fps, seen.latency_s) == (1, 9, 0.0, latency_s)


def test_age_of_the_newest_frame_grows_while_the_loop_hangs() -> None:
    live = Live(LetterFilter(), 0.5)
    live.turn(moment(0), LIVE)
    seen = newest(live)
    assert seen.frame_age_s(seen.t + 30.0) == pytest.approx(30.0)


def test_recording_has_no_latency() -> None:
    live = Live(LetterFilter(), 0.5)
    live.turn(moment(0), replace(LIVE, name="replay:there"))
    assert (newest(live).latency_s, newest(live).waited_s) == (0.0, 0.0)


def test_wishes_beyond_what_anybody_presses_are_forgotten() -> None:
    live, done = Live(LetterFilter(), 0.5), []
    for number in range(1000):
        live.ask(lambda number=number: done.append(number))
    live.turn(moment(0), LIVE)
    assert done == list(range(1000 - ASKED, 1000))


@pytest.mark.parametrize("what", ["blind", "frozen", "black"])
def test_camera_that_does_not_see_is_the_reason(what: str) -> None:
    live = Live(LetterFilter(), 0.5)
    live.turn(moment(0), CameraState("usb:0", what, 0, 9.0, 0))  # type: ignore[arg-type]
    assert newest(live).why.kind == "camera"
    live.turn(moment(1), LIVE)
    assert newest(live).why.kind != "camera"


def test_observer_that_fails_is_reported_once_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []

    def broken(seen: Seen) -> None:
        raise OSError("no broker")

    live = Live(LetterFilter(), 0.5, [broken, lambda seen: told.append(seen.number)])
    with caplog.at_level(logging.WARNING):
        for index in range(3):
            live.turn(moment(index), LIVE)
    assert told == [0, 1, 2]
    assert [record.message for record in caplog.records] == ["an observer failed: OSError: no broker"]
