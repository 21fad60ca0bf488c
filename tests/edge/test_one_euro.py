"""The square that tracks a hand: steady while the hand is still, without lag while it moves."""

import numpy as np
import pytest

from edge.hand.one_euro import MAX_GAP_S, OneEuroFilter

FRAME_S = 1 / 30


def smoothed(squares: np.ndarray, frame_s: float = FRAME_S) -> np.ndarray:
    """(N, 3) squares, one a frame -> the smoothed squares."""
    smooth = OneEuroFilter()
    return np.array([smooth(tuple(square), i * frame_s) for i, square in enumerate(squares.tolist())])


def test_jitter_of_a_still_hand_falls_to_less_than_half() -> None:
    rng = np.random.default_rng(0)
    jittering = np.array([320.0, 240.0, 160.0]) + rng.normal(0, 2, (300, 3))
    assert (smoothed(jittering)[30:].std(axis=0) < 0.5 * jittering[30:].std(axis=0)).all()


@pytest.mark.parametrize("sides_per_s", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("frame_s", [1 / 30, 1 / 10])
def test_moving_hand_stays_well_inside_its_square(sides_per_s: float, frame_s: float) -> None:
    side = 160.0
    x = 100 + side * sides_per_s * frame_s * np.arange(20)
    moving = np.stack([x, np.full_like(x, 240.0), np.full_like(x, side)], axis=1)
    assert np.abs(smoothed(moving, frame_s)[:, 0] - x).max() < 0.2 * side


def test_hand_that_was_out_of_sight_is_not_smoothed() -> None:
    smooth = OneEuroFilter()
    smooth((100.0, 100.0, 50.0), 0.0)
    assert smooth((200.0, 100.0, 50.0), 2 * MAX_GAP_S) == (200.0, 100.0, 50.0)


def test_clock_that_steps_back_or_stands_still_resets_the_filter() -> None:
    smooth = OneEuroFilter()
    smooth((100.0, 100.0, 50.0), 5.0)
    assert smooth((130.0, 100.0, 50.0), 5.0) == (130.0, 100.0, 50.0)
    assert smooth((160.0, 100.0, 50.0), 1.0) == (160.0, 100.0, 50.0)
