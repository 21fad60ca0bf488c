"""What watchers see of the loop, and that they can't disturb it."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from edge.letters.filter import LetterFilter
from edge.observe.snapshot import ASKED, HISTORY, SnapshotPublisher
from edge.records import CameraState, Frame, LetterEvent, LoopStep, Prediction, Snapshot

LIVE = CameraState("usb:0", "live", 0, 0.0, 3)


def step(index: int, letter: str = "") -> LoopStep:
    """The index-th frame, of a camera of 10 frames a second."""
    frame = Frame(np.full((32, 32, 3), 128, np.uint8), index / 10, index)
    event = LetterEvent(letter, 0.9, frame.t - 0.5, frame.t, letter) if letter else None
    return LoopStep(frame, Prediction(None, 0.0, None, frame.t), event, 0.01)


def newest(publisher: SnapshotPublisher) -> Snapshot:
    assert publisher.snapshot is not None
    return publisher.snapshot


def test_newest_turn_is_seen_whole_with_the_last_frame_and_letters() -> None:
    publisher = SnapshotPublisher(LetterFilter(), 0.5)
    for index in range(20):
        publisher.turn(step(index, "ABCDEFGHIJKLMNOPQRST"[index]), LIVE)
    publisher.turn(LoopStep(), LIVE)  # the camera has nothing for the moment
    snapshot = newest(publisher)
    assert (snapshot.number, snapshot.read, snapshot.offered, snapshot.step.frame) == (20, 20, 20, None)
    assert snapshot.picture is not None
    assert snapshot.picture.index == 19
    assert "".join(event.letter for event in snapshot.history) == "TSRQPONMLKJI"[:HISTORY]


def test_text_is_edited_between_two_frames_and_not_before() -> None:
    letters = LetterFilter()
    for tenth in range(8):
        letters.update(Prediction("A", 0.9, None, tenth / 10))
    publisher = SnapshotPublisher(letters, 0.5)
    publisher.edit("space")
    assert letters.text == "A"
    publisher.turn(step(0), LIVE)
    assert newest(publisher).text == "A "


def test_frames_that_were_not_read_are_not_counted_as_read() -> None:
    publisher = SnapshotPublisher(LetterFilter(), 0.5)
    publisher.turn(step(0), LIVE)
    latency_s = newest(publisher).latency_s
    for index in range(1, 9):
        publisher.turn(replace(step(index), still=True, inference_s=0.0), LIVE)
    snapshot = newest(publisher)
    assert (snapshot.read, snapshot.offered, snapshot.fps, snapshot.latency_s) == (1, 9, 0.0, latency_s)


def test_age_of_the_newest_frame_grows_while_the_loop_hangs() -> None:
    publisher = SnapshotPublisher(LetterFilter(), 0.5)
    publisher.turn(step(0), LIVE)
    snapshot = newest(publisher)
    assert snapshot.frame_age_s(snapshot.t + 30.0) == pytest.approx(30.0)


def test_recording_has_no_latency() -> None:
    publisher = SnapshotPublisher(LetterFilter(), 0.5)
    publisher.turn(step(0), replace(LIVE, name="replay:there"))
    assert (newest(publisher).latency_s, newest(publisher).waited_s) == (0.0, 0.0)


def test_wishes_beyond_what_anybody_presses_are_forgotten() -> None:
    publisher, done = SnapshotPublisher(LetterFilter(), 0.5), []
    for number in range(1000):
        publisher.ask(lambda number=number: done.append(number))
    publisher.turn(step(0), LIVE)
    assert done == list(range(1000 - ASKED, 1000))


@pytest.mark.parametrize("what", ["blind", "frozen", "black"])
def test_camera_that_does_not_see_is_the_reason(what: str) -> None:
    publisher = SnapshotPublisher(LetterFilter(), 0.5)
    publisher.turn(step(0), CameraState("usb:0", what, 0, 9.0, 0))  # type: ignore[arg-type]
    assert newest(publisher).hint.kind == "camera"
    publisher.turn(step(1), LIVE)
    assert newest(publisher).hint.kind != "camera"


def test_observer_that_fails_is_reported_once_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []

    def broken(snapshot: Snapshot) -> None:
        raise OSError("no broker")

    publisher = SnapshotPublisher(
        LetterFilter(), 0.5, [broken, lambda snapshot: told.append(snapshot.number)]
    )
    with caplog.at_level(logging.WARNING):
        for index in range(3):
            publisher.turn(step(index), LIVE)
    assert told == [0, 1, 2]
    assert [record.message for record in caplog.records] == ["an observer failed: OSError: no broker"]
