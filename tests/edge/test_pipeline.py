"""The loop, on recorded pictures whose grey says what they sign."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from support.made_pictures import save

from edge.cameras.replay import open_replay
from edge.engines.scripted import answer
from edge.errors import CameraError
from edge.hand.reader import HandReader
from edge.letters.filter import LetterFilter
from edge.package import Package, open_package
from edge.pipeline import Summary, run
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, Array, LetterEvent, Output, Sink

FPS = 20.0
DARKEST, STEP = 105, 5  # A's grey, and between two letters; what is darker is brightened before it is read


def grey_engine(tensor: Array, upright: bool = False) -> Output:
    """Reads the letter from the grey in the middle of the square; black shows no hand."""
    red = tensor[0, 0, tensor.shape[2] // 2, tensor.shape[3] // 2] * STD_RGB[0] + MEAN_RGB[0]
    number = round((float(red) * 255 - DARKEST) / STEP)
    return answer(LETTERS[number] if number >= 0 else None)


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


def replayed(
    recording: Path, package: Package, sinks: list[Sink], stop: threading.Event | None = None
) -> Summary:
    with open_replay(recording, FPS) as camera:
        reader = HandReader(grey_engine, package)
        return run(camera, reader, LetterFilter(), sinks, stop or threading.Event())


def test_letters_of_a_recording_reach_every_sink_in_order(recording: Path, package: Package) -> None:
    one: list[LetterEvent] = []
    two: list[LetterEvent] = []
    summary = replayed(recording, package, [one.append, two.append])
    assert summary == Summary(frames=50, dropped=0, letters=2, text="HI")
    assert [(event.letter, event.text, event.t_start, event.t_end) for event in one] == [
        ("H", "H", 0.0, 0.5),
        ("I", "HI", 1.5, 2.0),
    ]
    assert one == two


def test_sink_that_fails_is_reported_once_and_stops_nothing(
    recording: Path, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[LetterEvent] = []
    calls: list[str] = []

    def broken(event: LetterEvent) -> None:
        calls.append(event.letter)
        raise OSError("the broker is away")

    with caplog.at_level(logging.WARNING):
        summary = replayed(recording, package, [broken, sent.append])
    assert summary.letters == 2
    assert [event.letter for event in sent] == calls == ["H", "I"]
    assert len(caplog.records) == 1
    assert "OSError: the broker is away" in caplog.text


def test_loop_ends_when_it_is_asked_to_stop(recording: Path, package: Package) -> None:
    stop = threading.Event()
    summary = replayed(recording, package, [lambda event: stop.set()], stop)
    assert (summary.letters, summary.frames) == (1, 11)


def test_unreadable_frames_are_counted_as_dropped(recording: Path, package: Package) -> None:
    (recording / "004.png").write_bytes(b"")
    summary = replayed(recording, package, [])
    assert (summary.frames, summary.dropped, summary.text) == (49, 1, "HI")


def test_failing_camera_ends_the_loop_with_its_error(recording: Path, package: Package) -> None:
    for picture in recording.iterdir():
        picture.write_bytes(b"")
    with pytest.raises(CameraError, match="none of the 50 pictures"):
        replayed(recording, package, [])
