"""The camera `synthetic:WORD`, on a clock that the test sets."""

from itertools import pairwise

import numpy as np
import pytest

from edge.cameras.synthetic import open_synthetic, pose_at, signing_plan
from edge.errors import CameraError
from edge.synthetic.poses import POSES

SMALL = (160, 120)


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds


def frames_of(word, **settings):
    with open_synthetic(word, **{"size": SMALL, "realtime": False, **settings}) as camera:
        return list(camera)


def letter_at(word: str, t: float) -> str | None:
    """The letter that is held at t, if any."""
    pose, raised = pose_at(signing_plan(word, 1.2, 0.4), t)
    return next((name for name, ideal in POSES.items() if raised == 1 and np.array_equal(pose, ideal)), None)


def test_word_takes_its_time_and_ends():
    frames = frames_of("hi")
    # out of view, two letters, lowered
    assert len(frames) == round((0.6 + 2 * (0.4 + 1.2) + 0.4 + 1.0) * 15)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert [frame.t for frame in frames] == [index / 15 for index in range(len(frames))]
    assert all(frame.image.shape == (120, 160, 3) and frame.image.dtype == np.uint8 for frame in frames)


def test_letters_are_held_in_their_order():
    held = [letter_at("Dog", t) for t in np.arange(0, 8, 0.05)]
    changes = [after for before, after in pairwise(held) if after != before and after]
    assert changes == ["D", "O", "G"]
    assert all(held.count(letter) >= 22 for letter in "DOG")  # about 1.2 s of 0.05 s


@pytest.mark.parametrize("word", ["LL", "L L"])
def test_hand_is_lowered_between_double_letters_and_words(word):
    plan = signing_plan(word, 1.2, 0.4)
    raised = [pose_at(plan, t)[1] for t in np.arange(0, plan[-1][0], 0.05)]
    ups = sum(before < 1 <= after for before, after in pairwise(raised))
    assert ups == 2
    first, last = raised.index(1), len(raised) - raised[::-1].index(1)
    assert 0 in raised[first:last]


def test_hand_is_in_view_while_a_letter_is_held_and_out_of_view_before_and_after():
    frames = frames_of("A", size=(320, 240))
    empty = frames[0].image.astype(int)
    shares = {
        t: (np.abs(frames[round(t * 15)].image - empty).max(axis=2) > 40).mean() for t in (0.3, 1.5, 2.0, 3.5)
    }
    assert shares[0.3] < 0.002
    assert shares[1.5] > 0.05
    assert shares[2.0] > 0.05
    assert shares[3.5] < 0.002


def test_held_hand_is_never_quite_still():
    frames = frames_of("B")
    assert frames[18].image.tobytes() != frames[19].image.tobytes()


def test_pictures_come_from_the_seed_alone():
    one, two, other = (frames_of("C", seed=seed)[20].image for seed in (4, 4, 5))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_reader_in_time_gets_every_frame_when_it_is_due():
    clock = Clock()
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        for frame in camera:
            assert clock.now_s == pytest.approx(100 + frame.index / 15)
            assert frame.t == pytest.approx(clock.now_s)
    assert camera.dropped == 0
    assert frame.index == round(3.6 * 15) - 1


def test_late_reader_gets_the_newest_frame_and_the_rest_are_counted():
    clock = Clock()
    indices = []
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        for frame in camera:
            indices.append(frame.index)
            assert clock.now_s - frame.t < 1 / 15
            clock.now_s += 3.5 / 15  # the reader's work
    assert indices[:4] == [0, 3, 7, 10]
    assert len(indices) + camera.dropped == round(3.6 * 15)


def test_reader_that_is_away_until_the_end_gets_no_old_frames():
    clock = Clock()
    with open_synthetic("A", size=SMALL, clock=clock, sleep=clock.sleep) as camera:
        next(iter(camera))
        clock.now_s += 60
        assert list(camera) == []
        assert camera.dropped == round(3.6 * 15) - 1


def test_repeated_word_begins_again_where_it_ended():
    once = frames_of("a")
    with open_synthetic("a", size=SMALL, realtime=False, repeat=True) as camera:
        frames = [next(camera) for _ in range(2 * len(once))]
    assert [frame.index for frame in frames] == list(range(2 * len(once)))
    assert all(a.t < b.t for a, b in pairwise(frames))
    empty = frames[0].image.astype(int)
    hand = [(np.abs(frame.image - empty).max(axis=2) > 40).mean() > 0.03 for frame in frames]
    assert sum(after and not before for before, after in pairwise(hand)) == 2


def test_closed_camera_gives_no_more_frames():
    with open_synthetic("A", size=SMALL, realtime=False) as camera:
        next(iter(camera))
    assert list(camera) == []


def test_case_and_outer_spaces_make_no_difference():
    assert len(frames_of("  sos ")) == len(frames_of("SOS"))


@pytest.mark.parametrize("word", ["", "   ", "H3LLO", "HÉ", "ß", "A\n", "A-B"])
def test_word_that_cant_be_spelled_is_one_sentence(word):
    with pytest.raises(CameraError, match="must have letters from A to Z") as caught:
        open_synthetic(word)
    assert repr(word) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": float("nan")}, {"hold_s": 0}, {"move_s": -1}])
def test_impossible_timing_is_refused(wrong):
    with pytest.raises(CameraError, match="must be above 0, got"):
        open_synthetic("A", **wrong)
