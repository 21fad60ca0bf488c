"""The motion gate skips still frames, detects movement at once, and ignores sensor noise."""

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


def photograph(image: Image, rng: np.random.Generator, t: float, gain: float, jpeg: int | None) -> Image:
    """Add the bands of a flickering lamp and shot noise (standard deviation 3.7 at grey 128 for gain 0.1)."""
    rows = np.arange(image.shape[0], dtype=np.float32)[:, None, None] / image.shape[0]
    light = image * (1 + np.float32(0.02) * np.sin(2 * np.pi * (100 * np.float32(t) + 2.5 * rows)))
    noisy = light + rng.standard_normal(image.shape, np.float32) * np.sqrt(1 + np.float32(gain) * light)
    picture = noisy.clip(0, 255).astype(np.uint8)
    if jpeg is not None:
        picture = np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [1, jpeg])[1], 1), np.uint8)
    return picture


def draw_room(seed: int = 22, letter: str | None = None) -> Image:
    """Draw a room without noise, empty or with a hand; (480, 640, 3)."""
    scene = Scene(SIZE, seed)
    scene._noise[:] = 0
    return scene.picture(RELAXED if letter is None else POSES[letter], 0.0 if letter is None else 1.0, 0.0)


def make_stream(
    pictures: list[Image], gain: float = 0.1, jpeg: int | None = None, seed: int = 0
) -> list[Frame]:
    rng = np.random.default_rng(seed)
    return [
        Frame(photograph(image, rng, index / FPS, gain, jpeg), index / FPS, index)
        for index, image in enumerate(pictures)
    ]


def run_gate(frames: list[Frame]) -> list[bool]:
    motion_gate = MotionGate(hold_s=0.5)
    return [motion_gate.rests(frame) for frame in frames]


class RecordedCamera:
    """A camera that yields given frames and measures the CPU time that the loop spends on each."""

    dropped = 0

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames
        self.loop_s: list[float] = []

    def __enter__(self) -> "RecordedCamera":
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
@pytest.mark.parametrize("seed", [22, 3])  # a bright room, and one that is half black
def test_noise_of_a_sensor_and_a_flickering_lamp_are_not_movement(
    seed: int, gain: float, jpeg: int | None
) -> None:
    rests = run_gate(make_stream([draw_room(seed)] * 90, gain, jpeg))
    assert not any(rests[:28])  # the first second is read
    assert sum(rests[33:]) > 0.9 * len(rests[33:])


@pytest.mark.parametrize("gain", [0.02, 0.3])
def test_moving_hand_is_read_in_every_frame(gain: float) -> None:
    scene, keys = Scene(SIZE, 22), signing_plan("HELLO", 1.2, 0.4)
    pictures = [scene.picture(*pose_at(keys, t), t) for t in np.arange(0.9, 5.0, 1 / FPS)]
    assert not any(run_gate(make_stream(pictures, gain)))


@pytest.mark.parametrize("gain", [0.02, 0.3])
@pytest.mark.parametrize("seed", [22, 3])
def test_rest_ends_with_the_first_frame_that_changes(seed: int, gain: float) -> None:
    rests = run_gate(make_stream([draw_room(seed)] * 75 + [draw_room(seed, "L")] * 20, gain))
    assert sum(rests[40:75]) >= 34
    assert not any(rests[75:])


def test_moving_finger_ends_the_rest() -> None:
    rests = run_gate(make_stream([draw_room(letter="V")] * 75 + [draw_room(letter="R")] * 20))
    assert sum(rests[40:75]) >= 34
    assert not any(rests[75:])


def test_gate_rests_again_after_a_lamp_is_switched_on() -> None:
    dark = (draw_room() * 0.6).astype(np.uint8)
    rests = run_gate(make_stream([dark] * 60 + [draw_room()] * 75))
    assert sum(rests[-30:]) >= 28  # except for a glance


def test_still_scene_is_read_at_regular_intervals() -> None:
    rests = run_gate(make_stream([draw_room()] * 200, gain=0.02))
    read = [index for index, rest in enumerate(rests) if not rest and index > 40]
    assert len(read) == pytest.approx(160 / FPS / GLANCE_S, abs=1)


def test_frame_of_another_size_or_an_earlier_time_is_read() -> None:
    frames = make_stream([draw_room()] * 60)
    motion_gate = MotionGate(hold_s=0.5)
    assert [motion_gate.rests(frame) for frame in frames][-1]
    small = np.asarray(cv2.resize(frames[0].image, (320, 240)), np.uint8)
    assert not motion_gate.rests(Frame(small, 2.0, 60))
    assert not motion_gate.rests(Frame(small, 0.0, 61))


def test_woken_gate_reads_for_a_while() -> None:
    frames = make_stream([draw_room()] * 90)
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


def run_loop(
    frames: list[Frame], package: Package, motion_gate: MotionGate | None
) -> tuple[Summary, RecordedCamera]:
    camera = RecordedCamera(frames)
    tracker = HandTracker(open_engine(package), package.spec)
    return run(camera, tracker, LetterFilter(), [], threading.Event(), motion_gate), camera


@pytest.mark.parametrize("letter", [None, "L"])
def test_still_scene_costs_at_most_15_percent_of_a_moving_one(package: Package, letter: str | None) -> None:
    """Compare the loop's CPU time for the same frames with and without the gate, excluding the camera."""
    frames = make_stream([draw_room(letter=letter)] * 120)
    busy, camera_busy = run_loop(frames, package, None)
    still, camera_still = run_loop(frames, package, MotionGate(0.5))
    assert (busy.frames, busy.rested) == (120, 0)
    assert still.rested > 75
    fraction = float(np.sum(camera_still.loop_s[40:]) / np.sum(camera_busy.loop_s[40:]))
    assert fraction <= 0.15, f"{fraction:.1%} of the busy loop's time"


def test_held_letter_is_sent_once_while_the_gate_rests(tiny_folder: Path) -> None:
    sent: list[LetterEvent] = []
    tracker = HandTracker(lambda tensor, upright=False: make_output("L"), open_package(tiny_folder).spec)
    frames = make_stream([draw_room(letter="L")] * 150)
    summary = run(
        RecordedCamera(frames),
        tracker,
        LetterFilter(),
        [each_letter(sent.append)],
        threading.Event(),
        motion_gate=MotionGate(0.5),
    )
    assert ([event.letter for event in sent], summary.rested > 100) == (["L"], True)


def test_letter_with_a_long_hold_time_is_read_until_it_is_sent(tiny_folder: Path) -> None:
    sent: list[LetterEvent] = []
    tracker = HandTracker(lambda tensor, upright=False: make_output("L"), open_package(tiny_folder).spec)
    run(
        RecordedCamera(make_stream([draw_room(letter="L")] * 120)),
        tracker,
        LetterFilter(hold_s=2.0),
        [each_letter(sent.append)],
        threading.Event(),
        motion_gate=MotionGate(2.0),
    )
    assert [event.t_end for event in sent] == [pytest.approx(2.0)]


def test_space_is_added_while_the_gate_rests(tiny_folder: Path) -> None:
    hand, empty_room = draw_room(letter="L"), draw_room()
    frames = make_stream([hand] * 24 + [empty_room] * 60 + [hand] * 24)
    empty = {frame.index for frame in frames[24:84]}
    remaining = iter(frames)
    shown: list[Frame] = []

    class TrackedCamera(RecordedCamera):
        def __iter__(self) -> Iterator[Frame]:
            for frame in remaining:
                shown[:] = [frame]
                yield frame

    def engine(tensor: np.ndarray, upright: bool = False) -> object:
        return make_output(None if shown[0].index in empty else "L")

    tracker = HandTracker(engine, open_package(tiny_folder).spec)  # type: ignore[arg-type]
    letters = LetterFilter(space_s=1.8)
    summary = run(TrackedCamera(frames), tracker, letters, [], threading.Event(), MotionGate(0.5))
    assert (summary.text, summary.rested > 20) == ("L L", True)


@pytest.mark.slow
def test_slow_change_of_light_is_not_movement() -> None:
    pictures = [(draw_room() * (1 - 0.1 * index / 300)).astype(np.uint8) for index in range(300)]
    rests = run_gate(make_stream(pictures, gain=0.05))
    assert sum(rests[60:]) > 0.85 * 240
