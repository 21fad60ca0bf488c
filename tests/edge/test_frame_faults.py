"""Detection of frozen and black pictures, one picture per second."""

import numpy as np

from edge.cameras.frame_faults import FrameFaults
from edge.records import Image

RNG = np.random.default_rng(7)


def noisy(brightness: int, noise: int = 3) -> Image:
    return np.asarray(np.clip(brightness + RNG.integers(-noise, noise + 1, (48, 64, 3)), 0, 255), np.uint8)


def statuses(pictures: list[Image], hold_s: float = 5.0) -> list[str]:
    """Return the status after each picture."""
    faults = FrameFaults(hold_s)
    return [faults.update(picture, 1000.0 + t) for t, picture in enumerate(pictures)]


def test_identical_pictures_are_frozen_after_the_hold_until_one_differs() -> None:
    same = noisy(100)
    assert statuses([same] * 8 + [noisy(100)]) == ["live"] * 5 + ["frozen"] * 3 + ["live"]


def test_noise_in_one_pixel_keeps_the_camera_live() -> None:
    picture = noisy(100)
    changed = picture.copy()
    changed[8, 16, 1] += 1
    assert set(statuses([picture, changed] * 10)) == {"live"}


def test_dark_pictures_with_sensor_noise_are_black_after_the_hold() -> None:
    pictures = [noisy(100), *[noisy(3) for _ in range(8)], noisy(100)]
    assert statuses(pictures) == ["live"] * 5 + ["black"] * 4 + ["live"]


def test_dim_room_is_not_black() -> None:
    assert set(statuses([noisy(12) for _ in range(20)])) == {"live"}


def test_identical_black_pictures_are_black() -> None:
    assert statuses([np.zeros((48, 64, 3), np.uint8)] * 7)[-1] == "black"


def test_darkness_shorter_than_the_hold_keeps_the_camera_live() -> None:
    pictures = ([noisy(100)] * 4 + [noisy(0)] * 4) * 4
    assert set(statuses(pictures)) == {"live"}
