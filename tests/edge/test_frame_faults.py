"""Frozen and black pictures, on times that the test gives."""

import numpy as np

from edge.cameras.frame_faults import FrameFaults
from edge.records import Image

RNG = np.random.default_rng(7)


def noisy(brightness: int, noise: int = 3) -> Image:
    return np.asarray(np.clip(brightness + RNG.integers(-noise, noise + 1, (48, 64, 3)), 0, 255), np.uint8)


def said(pictures: list[Image], hold_s: float = 5.0) -> list[str]:
    """One picture a second."""
    check = FrameFaults(hold_s)
    return [check.update(picture, 1000.0 + t) for t, picture in enumerate(pictures)]


def test_same_picture_is_frozen_after_the_hold_and_live_with_the_next_other_one() -> None:
    same = noisy(100)
    assert said([same] * 8 + [noisy(100)]) == ["live"] * 5 + ["frozen"] * 3 + ["live"]


def test_noise_of_one_pixel_is_no_frozen_picture() -> None:
    other = noisy(100)
    one = other.copy()
    one[8, 16, 1] += 1
    assert set(said([other, one] * 10)) == {"live"}


def test_dark_room_with_a_sensor_s_noise_is_black_after_the_hold() -> None:
    pictures = [noisy(100), *[noisy(3) for _ in range(8)], noisy(100)]
    assert said(pictures) == ["live"] * 5 + ["black"] * 4 + ["live"]


def test_dim_room_is_not_black() -> None:
    assert set(said([noisy(12) for _ in range(20)])) == {"live"}


def test_frozen_black_picture_is_said_to_be_black() -> None:
    assert said([np.zeros((48, 64, 3), np.uint8)] * 7)[-1] == "black"


def test_short_blink_is_nothing() -> None:
    pictures = ([noisy(100)] * 4 + [noisy(0)] * 4) * 4
    assert set(said(pictures)) == {"live"}
