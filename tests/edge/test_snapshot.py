"""What readers of the newest snapshot see, and that they can't disturb the loop."""

from dataclasses import replace

import numpy as np
import pytest
from support.predictions import prediction

from edge.letters.filter import LetterFilter
from edge.observe.hints import HintTracker
from edge.observe.snapshot import HISTORY, MAX_QUEUED, SnapshotPublisher, each_snapshot
from edge.records import CAMERA_PROBLEMS, CameraState, CameraStatus, Frame, LetterEvent, LoopStep, Snapshot

LIVE = CameraState("usb:0", "live", 0, 0.0, 3)


def step(index: int, letter: str = "", camera: CameraState = LIVE) -> LoopStep:
    """The index-th frame, of a camera of 10 frames a second."""
    frame = Frame(np.full((32, 32, 3), 128, np.uint8), index / 10, index)
    event = LetterEvent(letter, 0.9, frame.t - 0.5, frame.t, letter) if letter else None
    return LoopStep(camera, frame, prediction(None, frame.t), event, 0.01)


def newest(publisher: SnapshotPublisher) -> Snapshot:
    assert publisher.snapshot is not None
    return publisher.snapshot


def test_snapshot_holds_the_newest_step_the_last_frame_and_the_last_letters() -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    for index in range(20):
        publisher.observe(step(index, "ABCDEFGHIJKLMNOPQRST"[index]))
    publisher.observe(LoopStep(LIVE))  # the camera has nothing for the moment
    snapshot = newest(publisher)
    assert (snapshot.number, snapshot.read, snapshot.offered, snapshot.step.frame) == (20, 20, 20, None)
    assert snapshot.picture is not None
    assert snapshot.picture.index == 19
    assert "".join(event.letter for event in snapshot.history) == "TSRQPONMLKJI"[:HISTORY]


def test_text_is_edited_between_two_frames_and_not_before() -> None:
    letters = LetterFilter()
    for tenth in range(8):
        letters.update(prediction("A", tenth / 10))
    publisher = SnapshotPublisher(letters, HintTracker())
    publisher.edit("space")
    assert letters.text == "A"
    publisher.observe(step(0))
    assert newest(publisher).text == "A "


def test_frames_that_were_not_read_are_not_counted_as_read() -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    publisher.observe(step(0))
    latency_s = newest(publisher).latency_s
    for index in range(1, 9):
        publisher.observe(replace(step(index), still=True, inference_s=0.0))
    snapshot = newest(publisher)
    assert (snapshot.read, snapshot.offered, snapshot.fps, snapshot.latency_s) == (1, 9, 0.0, latency_s)


def test_age_of_the_newest_frame_grows_while_the_loop_hangs() -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    publisher.observe(step(0))
    snapshot = newest(publisher)
    assert snapshot.frame_age_s(snapshot.t + 30.0) == pytest.approx(30.0)


def test_recording_has_no_latency() -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    publisher.observe(step(0, camera=replace(LIVE, is_recording=True)))
    assert (newest(publisher).latency_s, newest(publisher).waited_s) == (0.0, 0.0)


def test_oldest_calls_are_dropped_if_too_many_wait_for_the_loop() -> None:
    publisher, called = SnapshotPublisher(LetterFilter(), HintTracker()), []
    for number in range(1000):
        publisher.run_in_loop(lambda number=number: called.append(number))
    publisher.observe(step(0))
    assert called == list(range(1000 - MAX_QUEUED, 1000))


@pytest.mark.parametrize("status", ["opening", "blind", "frozen", "black"])
def test_camera_that_sees_nothing_is_the_hint(status: CameraStatus) -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    publisher.observe(step(0, camera=CameraState("usb:0", status, 0, 9.0, 0)))
    assert newest(publisher).hint.kind == "camera"
    assert newest(publisher).hint.sentence == f"The camera {CAMERA_PROBLEMS[status]}."
    publisher.observe(step(1))
    assert newest(publisher).hint.kind != "camera"


def test_each_snapshot_is_passed_on_after_its_step() -> None:
    publisher = SnapshotPublisher(LetterFilter(), HintTracker())
    received: list[Snapshot] = []
    observers = [publisher.observe, each_snapshot(publisher, received.append)]
    for index in range(3):
        for observe in observers:
            observe(step(index))
    assert [snapshot.number for snapshot in received] == [0, 1, 2]
