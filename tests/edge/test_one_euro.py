"""The square that follows a hand: still where the hand is still, there where it goes."""

import numpy as np
import pytest

from edge.hand.one_euro import GAP_S, OneEuroFilter

FRAME_S = 1 / 30


def followed(squares: np.ndarray, frame_s: float = FRAME_S) -> np.ndarray:
    """(N, 3) squares, a frame each -> the same, steadied."""
    steady = OneEuroFilter()
    return np.array([steady(tuple(square), i * frame_s) for i, square in enumerate(squares.tolist())])


def test_the_tremble_of_a_still_hand_falls_to_less_than_half() -> None:
    rng = np.random.default_rng(0)
    trembling = np.array([320.0, 240.0, 160.0]) + rng.normal(0, 2, (300, 3))
    assert (followed(trembling)[30:].std(axis=0) < 0.5 * trembling[30:].std(axis=0)).all()


@pytest.mark.parametrize("sides_a_second", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("frame_s", [1 / 30, 1 / 10])
def test_a_moving_hand_stays_well_inside_its_square(sides_a_second: float, frame_s: float) -> None:
    side = 160.0
    x = 100 + side * sides_a_second * frame_s * np.arange(20)
    moving = np.stack([x, np.full_like(x, 240.0), np.full_like(x, side)], axis=1)
    assert np.abs(followed(moving, frame_s)[:, 0] - x).max() < 0.2 * side


def test_a_hand_that_was_not_seen_for_a_while_is_where_it_is_seen_now() -> None:
    steady = OneEuroFilter()
    steady((100.0, 100.0, 50.0), 0.0)
    assert steady((200.0, 100.0, 50.0), 2 * GAP_S) == (200.0, 100.0, 50.0)


def test_a_clock_that_steps_back_or_stands_still_starts_afresh() -> None:
    steady = OneEuroFilter()
    steady((100.0, 100.0, 50.0), 5.0)
    assert steady((130.0, 100.0, 50.0), 5.0) == (130.0, 100.0, 50.0)
    assert steady((160.0, 100.0, 50.0), 1.0) == (160.0, 100.0, 50.0)
