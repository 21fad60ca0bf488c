"""The camera `synthetic:WORD`, on a simulated clock."""

from itertools import pairwise

import numpy as np
import pytest

from edge.cameras.synthetic import open_synthetic, pose_at, signing_plan
from edge.errors import CameraError
from edge.synthetic.poses import POSES

SMALL = (160, 120)


class Clock:
    """A simulated clock, which advances when `sleep` is called."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def read_all(word, **settings):
    """Return all frames of a word, without waiting."""
    with open_synthetic(word, **{"size": SMALL, "realtime": False, **settings}) as camera:
        return list(camera)


def letter_at(word: str, t: float) -> str | None:
    """Return the letter that is held at `t` seconds; None between letters."""
    pose, raised = pose_at(signing_plan(word, 1.2, 0.4), t)
    return next((name for name, ideal in POSES.items() if raised == 1 and np.array_equal(pose, ideal)), None)


def test_word_lasts_as_long_as_its_parts_and_ends():
    frames = read_all("hi")
    # out of view, two times moved and held, lowered, out of view
    assert len(frames) == round((0.6 + 2 * (0.4 + 1.2) + 0.4 + 1.0) * 15)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [frame.t for frame in frames] == [index / 15 for index in range(len(frames))]
    assert all(frame.image.shape == (120, 160, 3) and frame.image.dtype == np.uint8 for frame in frames)


def test_letters_are_held_in_the_order_of_the_word():
    letters = [letter_at("Dog", t) for t in np.arange(0, 8, 0.05)]
    changes = [after for before, after in pairwise(letters) if after != before and after]
    assert changes == ["D", "O", "G"]
    assert all(letters.count(letter) >= 22 for letter in "DOG")  # about 1.2 s in steps of 0.05 s


@pytest.mark.parametrize("word", ["LL", "L L"])
def test_hand_is_lowered_between_double_letters_and_words(word):
    plan = signing_plan(word, 1.2, 0.4)
    raised = [pose_at(plan, t)[1] for t in np.arange(0, plan[-1][0], 0.05)]
    times_raised = sum(before < 1 <= after for before, after in pairwise(raised))
    assert times_raised == 2
    first, last = raised.index(1), len(raised) - raised[::-1].index(1)
    assert 0 in raised[first:last]


def changed_fraction(image, empty):
    """Return the fraction of pixels that differ from the picture of the empty room."""
    return (np.abs(image.astype(int) - empty.astype(int)).max(axis=2) > 40).mean()


def test_hand_is_in_view_only_while_a_letter_is_held():
    frames = read_all("A", size=(320, 240))
    before, held, still_held, after = (
        changed_fraction(frames[round(t * 15)].image, frames[0].image) for t in (0.3, 1.5, 2.0, 3.5)
    )
    assert before < 0.002
    assert held > 0.05
    assert still_held > 0.05
    assert after < 0.002


def test_held_hand_sways():
    frames = read_all("B")
    assert frames[18].image.tobytes() != frames[19].image.tobytes()


def test_pictures_depend_only_on_the_seed():
    first, repeated, other = (read_all("C", seed=seed)[20].image for seed in (4, 4, 5))
    assert first.tobytes() == repeated.tobytes()
    assert first.tobytes() != other.tobytes()


def test_punctual_reader_gets_every_frame_when_it_is_due():
    clock = Clock()
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        for frame in camera:
            assert clock.now_s == pytest.approx(100 + frame.index / 15)
            assert frame.t == pytest.approx(clock.now_s)
    assert camera.dropped == 0
    assert frame.index == round(3.6 * 15) - 1


def test_late_reader_gets_the_newest_frame_and_the_others_count_as_dropped():
    clock = Clock()
    indices = []
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        for frame in camera:
            indices.append(frame.index)
            assert clock.now_s - frame.t < 1 / 15
            clock.now_s += 3.5 / 15  # the reader takes this long
    assert indices[:4] == [0, 3, 7, 10]
    assert len(indices) + camera.dropped == round(3.6 * 15)


def test_reader_that_returns_after_the_end_gets_no_old_frames():
    clock = Clock()
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        next(iter(camera))
        clock.now_s += 60
        assert list(camera) == []
        assert camera.dropped == round(3.6 * 15) - 1


def test_repeated_word_continues_with_rising_numbers_and_times():
    once = read_all("a")
    with open_synthetic("a", size=SMALL, realtime=False, repeat=True) as camera:
        frames = [next(camera) for _ in range(2 * len(once))]
    assert [frame.index for frame in frames] == list(range(2 * len(once)))
    assert all(a.t < b.t for a, b in pairwise(frames))
    in_view = [changed_fraction(frame.image, frames[0].image) > 0.03 for frame in frames]
    assert sum(after and not before for before, after in pairwise(in_view)) == 2


def test_closed_camera_delivers_no_more_frames():
    with open_synthetic("A", size=SMALL, realtime=False) as camera:
        next(iter(camera))
    assert list(camera) == []


def test_case_and_outer_spaces_make_no_difference():
    assert len(read_all("  sos ")) == len(read_all("SOS"))


@pytest.mark.parametrize("word", ["", "   ", "H3LLO", "HÉ", "ß", "A\n", "A-B"])
def test_word_that_cant_be_spelled_is_refused(word):
    with pytest.raises(CameraError, match="must have letters from A to Z") as caught:
        open_synthetic(word)
    assert repr(word) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": float("nan")}, {"hold_s": 0}, {"move_s": -1}])
def test_invalid_timing_is_refused(wrong):
    with pytest.raises(CameraError, match="must be above 0, got"):
        open_synthetic("A", **wrong)
