"""The loop, on recorded pictures whose grey level stands for the letter that they show."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from support.made_pictures import save

from edge.cameras.replay import open_replay
from edge.engines.scripted import make_output
from edge.errors import CameraError
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.package import Package, open_package
from edge.pipeline import Summary, each_letter, run
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, Array, LetterEvent, LoopStep, Observer, Output

FPS = 20.0
# Grey level of A, and the step between two letters; darker pictures would be brightened before they are read.
DARKEST, STEP = 105, 5


def grey_engine(tensor: Array, upright: bool = False) -> Output:
    """Read the letter from the grey level in the middle of the crop; black shows no hand."""
    red = tensor[0, 0, tensor.shape[2] // 2, tensor.shape[3] // 2] * STD_RGB[0] + MEAN_RGB[0]
    number = round((float(red) * 255 - DARKEST) / STEP)
    return make_output(LETTERS[number] if number >= 0 else None)


@pytest.fixture
def package(tiny_folder: Path) -> Package:
    return open_package(tiny_folder)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """H for a second, nothing for half a second, I for a second."""
    for i, sign in enumerate("H" * 20 + "-" * 10 + "I" * 20):
        grey = 0 if sign == "-" else DARKEST + STEP * LETTERS.index(sign)
        save(tmp_path / f"{i:03}.png", np.full((64, 64, 3), grey, np.uint8))
    return tmp_path


def replay(
    recording: Path, package: Package, observers: list[Observer], stop: threading.Event | None = None
) -> Summary:
    with open_replay(recording, FPS) as camera:
        tracker = HandTracker(grey_engine, package.spec)
        return run(camera, tracker, LetterFilter(), observers, stop or threading.Event())


def test_letters_of_a_recording_reach_every_sink_in_order(recording: Path, package: Package) -> None:
    one: list[LetterEvent] = []
    two: list[LetterEvent] = []
    summary = replay(recording, package, [each_letter(one.append), each_letter(two.append)])
    assert summary == Summary(frames=50, dropped=0, letters=2, text="HI")
    assert [(event.letter, event.text, event.t_start, event.t_end) for event in one] == [
        ("H", "H", 0.0, 0.5),
        ("I", "HI", 1.5, 2.0),
    ]
    assert one == two


def test_observers_see_frame_prediction_event_and_camera_of_every_step(
    recording: Path, package: Package
) -> None:
    steps: list[LoopStep] = []
    replay(recording, package, [steps.append])
    assert [step.frame.index for step in steps if step.frame is not None] == list(range(50))
    assert [step.prediction.letter for step in steps if step.prediction is not None] == [
        *("H" * 20),
        *[None] * 10,
        *("I" * 20),
    ]
    assert [step.event.letter for step in steps if step.event is not None] == ["H", "I"]
    assert {step.camera.status for step in steps} == {"live"}
    assert all(step.inference_s > 0 for step in steps)


def test_observer_that_fails_is_reported_once_and_stops_nothing(
    recording: Path, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[LetterEvent] = []
    tried: list[str] = []

    def broken(event: LetterEvent) -> None:
        tried.append(event.letter)
        raise OSError("the broker is away")

    with caplog.at_level(logging.WARNING):
        summary = replay(recording, package, [each_letter(broken), each_letter(sent.append)])
    assert summary.letters == 2
    assert [event.letter for event in sent] == tried == ["H", "I"]
    assert len(caplog.records) == 1
    assert "OSError: the broker is away" in caplog.text


def test_loop_ends_when_it_is_asked_to_stop(recording: Path, package: Package) -> None:
    stop = threading.Event()
    summary = replay(recording, package, [each_letter(lambda event: stop.set())], stop)
    assert (summary.letters, summary.frames) == (1, 11)


def test_unreadable_frames_are_counted_as_dropped(recording: Path, package: Package) -> None:
    (recording / "004.png").write_bytes(b"")
    summary = replay(recording, package, [])
    assert (summary.frames, summary.dropped, summary.text) == (49, 1, "HI")


def test_failing_camera_ends_the_loop_with_its_error(recording: Path, package: Package) -> None:
    for picture in recording.iterdir():
        picture.write_bytes(b"")
    with pytest.raises(CameraError, match="none of the 50 pictures"):
        replay(recording, package, [])
