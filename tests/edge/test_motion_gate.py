"""A still scene costs little, movement is noticed at once, and a sensor's noise is not movement."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.synthetic import Scene, pose_at, signing_plan
from edge.engines import open_engine
from edge.engines.scripted import make_output
from edge.hand.motion_gate import CELLS, GLANCE_S, MotionGate, make_thumbnail
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.models import DEFAULT_MODEL
from edge.package import Package, open_package
from edge.pipeline import Summary, each_letter, run
from edge.records import CameraState, Frame, Image, LetterEvent
from edge.synthetic.poses import POSES, RELAXED

FPS = 30.0
SIZE = (640, 480)


def photographed(image: Image, rng: np.random.Generator, t: float, gain: float, jpeg: int | None) -> Image:
    """Add shot noise (gain 0.1: 3.7 of 128 grey levels) and the flicker of a lamp in bands."""
    rows = np.arange(image.shape[0], dtype=np.float32)[:, None, None] / image.shape[0]
    light = image * (1 + np.float32(0.02) * np.sin(2 * np.pi * (100 * np.float32(t) + 2.5 * rows)))
    noisy = light + rng.standard_normal(image.shape, np.float32) * np.sqrt(1 + np.float32(gain) * light)
    taken = noisy.clip(0, 255).astype(np.uint8)
    if jpeg is not None:
        taken = np.asarray(cv2.imdecode(cv2.imencode(".jpg", taken, [1, jpeg])[1], 1), np.uint8)
    return taken


def room(seed: int = 22, letter: str | None = None) -> Image:
    """Draw (480, 640, 3) without noise: a room, empty or with a hand."""
    scene = Scene(SIZE, seed)
    scene._noise[:] = 0
    return scene.picture(RELAXED if letter is None else POSES[letter], 0.0 if letter is None else 1.0, 0.0)


def stream(pictures: list[Image], gain: float = 0.1, jpeg: int | None = None, seed: int = 0) -> list[Frame]:
    rng = np.random.default_rng(seed)
    return [
        Frame(photographed(image, rng, index / FPS, gain, jpeg), index / FPS, index)
        for index, image in enumerate(pictures)
    ]


def rested(frames: list[Frame]) -> list[bool]:
    motion_gate = MotionGate(hold_s=0.5)
    return [motion_gate.rests(frame) for frame in frames]


class Recorded:
    """A camera with given frames that measures the loop's CPU time between two of them."""

    dropped = 0

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames
        self.loop_s: list[float] = []

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._frames:
            before_s = time.thread_time()
            yield frame
            self.loop_s.append(time.thread_time() - before_s)

    def state(self) -> CameraState:
        return CameraState("recorded", "live", 0, 0.0, 0)


@pytest.fixture(scope="module")
def package() -> Package:
    return open_package(DEFAULT_MODEL)


@pytest.mark.parametrize("jpeg", [None, 75])
@pytest.mark.parametrize("gain", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("seed", [22, 3])  # a bright room, and a room that is half black
def test_noise_of_a_sensor_and_a_flickering_lamp_are_not_movement(
    seed: int, gain: float, jpeg: int | None
) -> None:
    rests = rested(stream([room(seed)] * 90, gain, jpeg))
    assert not any(rests[:28])  # the first second is read
    assert sum(rests[33:]) > 0.9 * len(rests[33:])


@pytest.mark.parametrize("gain", [0.02, 0.3])
def test_hand_that_moves_is_read_in_every_frame(gain: float) -> None:
    scene, keys = Scene(SIZE, 22), signing_plan("HELLO", 1.2, 0.4)
    pictures = [scene.picture(*pose_at(keys, t), t) for t in np.arange(0.9, 5.0, 1 / FPS)]
    assert not any(rested(stream(pictures, gain)))


@pytest.mark.parametrize("gain", [0.02, 0.3])
@pytest.mark.parametrize("seed", [22, 3])
def test_rest_ends_with_the_first_frame_that_moved(seed: int, gain: float) -> None:
    rests = rested(stream([room(seed)] * 75 + [room(seed, "L")] * 20, gain))
    assert sum(rests[40:75]) >= 34
    assert not any(rests[75:])


def test_finger_that_moves_ends_the_rest() -> None:
    rests = rested(stream([room(letter="V")] * 75 + [room(letter="R")] * 20))
    assert sum(rests[40:75]) >= 34
    assert not any(rests[75:])


def test_rest_begins_again_after_a_lamp_was_switched_on() -> None:
    dark = (room() * 0.6).astype(np.uint8)
    rests = rested(stream([dark] * 60 + [room()] * 75))
    assert sum(rests[-30:]) >= 28  # except for a glance


def test_resting_scene_is_glanced_at() -> None:
    rests = rested(stream([room()] * 200, gain=0.02))
    read = [index for index, rest in enumerate(rests) if not rest and index > 40]
    assert len(read) == pytest.approx(160 / FPS / GLANCE_S, abs=1)


def test_frame_of_another_size_or_an_earlier_time_is_read() -> None:
    frames = stream([room()] * 60)
    motion_gate = MotionGate(hold_s=0.5)
    assert [motion_gate.rests(frame) for frame in frames][-1]
    small = np.asarray(cv2.resize(frames[0].image, (320, 240)), np.uint8)
    assert not motion_gate.rests(Frame(small, 2.0, 60))
    assert not motion_gate.rests(Frame(small, 0.0, 61))


def test_gate_that_was_woken_reads_for_a_while() -> None:
    frames = stream([room()] * 90)
    motion_gate = MotionGate(hold_s=0.5)
    assert [motion_gate.rests(frame) for frame in frames[:60]][-1]
    motion_gate.wake()
    awake = [not motion_gate.rests(frame) for frame in frames[60:]]
    assert all(awake[:25])


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (16, 16), (16, 2000), (1080, 1920), (333, 517)])
def test_thumbnail_of_any_picture_is_small(shape: tuple[int, int]) -> None:
    thumbnail = make_thumbnail(np.full((*shape, 3), 9, np.uint8))
    assert 1 <= min(thumbnail.shape) <= max(thumbnail.shape) < 2 * CELLS
    assert np.ptp(thumbnail) == 0


def looped(frames: list[Frame], package: Package, motion_gate: MotionGate | None) -> tuple[Summary, Recorded]:
    camera = Recorded(frames)
    tracker = HandTracker(open_engine(package), package.spec)
    return run(camera, tracker, LetterFilter(), [], threading.Event(), motion_gate), camera


@pytest.mark.parametrize("letter", [None, "L"])
def test_still_scene_costs_at_most_15_percent_of_a_moving_one(package: Package, letter: str | None) -> None:
    """Compare the CPU time of the same frames with and without the gate, without the camera's own time."""
    frames = stream([room(letter=letter)] * 120)
    busy, camera_busy = looped(frames, package, None)
    still, camera_still = looped(frames, package, MotionGate(0.5))
    assert (busy.frames, busy.rested) == (120, 0)
    assert still.rested > 75
    share = float(np.sum(camera_still.loop_s[40:]) / np.sum(camera_busy.loop_s[40:]))
    assert share <= 0.15, f"{share:.1%} of the busy loop's time"


def test_held_letter_is_sent_once_although_its_hand_is_not_read_any_more(tiny_folder: Path) -> None:
    sent: list[LetterEvent] = []
    tracker = HandTracker(lambda tensor, upright=False: make_output("L"), open_package(tiny_folder).spec)
    frames = stream([room(letter="L")] * 150)
    summary = run(
        Recorded(frames),
        tracker,
        LetterFilter(),
        [each_letter(sent.append)],
        threading.Event(),
        motion_gate=MotionGate(0.5),
    )
    assert ([event.letter for event in sent], summary.rested > 100) == (["L"], True)


def test_letter_that_must_be_held_for_long_is_read_until_it_is_sent(tiny_folder: Path) -> None:
    sent: list[LetterEvent] = []
    tracker = HandTracker(lambda tensor, upright=False: make_output("L"), open_package(tiny_folder).spec)
    run(
        Recorded(stream([room(letter="L")] * 120)),
        tracker,
        LetterFilter(hold_s=2.0),
        [each_letter(sent.append)],
        threading.Event(),
        motion_gate=MotionGate(2.0),
    )
    assert [event.t_end for event in sent] == [pytest.approx(2.0)]


def test_space_becomes_due_while_the_loop_rests(tiny_folder: Path) -> None:
    hand, nobody = room(letter="L"), room()
    frames = stream([hand] * 24 + [nobody] * 60 + [hand] * 24)
    empty = {frame.index for frame in frames[24:84]}
    now = iter(frames)
    showing: list[Frame] = []

    class Watched(Recorded):
        def __iter__(self) -> Iterator[Frame]:
            for frame in now:
                showing[:] = [frame]
                yield frame

    def engine(tensor: np.ndarray, upright: bool = False) -> object:
        return make_output(None if showing[0].index in empty else "L")

    tracker = HandTracker(engine, open_package(tiny_folder).spec)  # type: ignore[arg-type]
    letters = LetterFilter(space_s=1.8)
    summary = run(Watched(frames), tracker, letters, [], threading.Event(), MotionGate(0.5))
    assert (summary.text, summary.rested > 20) == ("L L", True)


@pytest.mark.slow
def test_light_that_drifts_through_the_day_is_not_movement() -> None:
    pictures = [(room() * (1 - 0.1 * index / 300)).astype(np.uint8) for index in range(300)]
    rests = rested(stream(pictures, gain=0.05))
    assert sum(rests[60:]) > 0.85 * 240
