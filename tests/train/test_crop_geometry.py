"""Training crops: landmarks follow the picture, and transformations stay plausible."""

import cv2
import numpy as np
import pytest

from edge.preprocess import BORDER_RGB
from edge.records import LETTERS
from train.crops.geometry import (
    MAX_ROTATION_DEG,
    bend,
    crop_hand,
    find_background,
    letterbox,
    mask_hand,
)
from train.crops.labels import NO_LETTER, OTHER_SIGN, letter_index
from train.crops.lighting import relight
from train.fit.dataset import EpochPositions
from train.synthetic.drawn import draw_background, draw_hand

SIZE_PX = 64


def draw_dots() -> tuple[np.ndarray, np.ndarray]:
    """Return a black picture with a white dot at each of 21 known landmarks."""
    rng = np.random.default_rng(3)
    landmarks = rng.uniform(60, 160, (21, 2)).astype(np.float32)
    image = np.zeros((220, 220, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), 4, (255, 255, 255), -1)
    return image, landmarks


@pytest.mark.parametrize("seed", range(12))
def test_landmarks_stay_on_their_dots(seed):
    image, landmarks = draw_dots()
    black = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    crop, moved = crop_hand(np.random.default_rng(seed), image, landmarks, SIZE_PX, 1.0, black)
    assert moved is not None
    positions_px = np.round(moved * SIZE_PX).astype(int)
    inside = ((positions_px >= 1) & (positions_px < SIZE_PX - 1)).all(axis=1)
    assert inside.any()
    for x, y in positions_px[inside]:
        assert crop[y - 1 : y + 2, x - 1 : x + 2].max() > 60


def test_half_the_crops_are_mirrored():
    image, landmarks = draw_dots()
    orientations = []
    for seed in range(200):
        background = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
        _, moved = crop_hand(np.random.default_rng(seed), image, landmarks, SIZE_PX, 0.5, background)
        a, b = moved[5] - moved[0], moved[17] - moved[0]
        orientations.append(np.sign(a[0] * b[1] - a[1] * b[0]))
    assert 0.4 < np.mean(np.array(orientations) > 0) < 0.6


def test_rotation_stays_small_enough_to_keep_the_letter():
    image, landmarks = draw_dots()
    before = landmarks[12] - landmarks[0]
    for seed in range(100):
        _, moved = crop_hand(
            np.random.default_rng(seed), image, landmarks, SIZE_PX, 1.0, image[:SIZE_PX, :SIZE_PX]
        )
        after = moved[12] - moved[0]
        after = after * (np.sign(after[0]) * np.sign(before[0]), 1)  # undo the mirror
        rotation = np.degrees(np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0]))
        assert abs((rotation + 180) % 360 - 180) < MAX_ROTATION_DEG + 15  # stretching adds a little


def test_picture_without_landmarks_is_cropped_as_a_whole():
    image, _ = draw_dots()
    crop, landmarks = crop_hand(
        np.random.default_rng(0), image, None, SIZE_PX, 1.0, image[:SIZE_PX, :SIZE_PX]
    )
    assert crop.shape == (SIZE_PX, SIZE_PX, 3)
    assert landmarks is None


def test_same_seed_gives_the_same_crop():
    image, landmarks = draw_dots()
    background = draw_background(np.random.default_rng(1), SIZE_PX)
    first, second = (
        relight(rng, crop_hand(rng, image, landmarks, SIZE_PX, 1.0, background)[0], 1.0)
        for rng in (np.random.default_rng(7), np.random.default_rng(7))
    )
    np.testing.assert_array_equal(first, second)


def test_hand_mask_covers_the_drawn_hand():
    grey = np.full((96, 96, 3), 90, np.uint8)
    drawn = draw_hand(np.random.default_rng(5), "B", 96, background=grey)
    mask = mask_hand(drawn.landmarks, 96)
    for x, y in drawn.landmarks[[4, 8, 12, 16, 20]]:
        if 0 <= x < 96 and 0 <= y < 96:
            assert mask[int(y), int(x)] > 0.5
    assert mask.min() < 0.05


def test_background_does_not_contain_the_hand():
    landmarks = np.random.default_rng(0).uniform(10, 60, (21, 2)).astype(np.float32)
    image = np.zeros((240, 320, 3), np.uint8)
    found = 0
    for seed in range(50):
        square = find_background(np.random.default_rng(seed), image, landmarks)
        if square is not None:
            found += 1
            cx, cy, side = square
            inside = (np.abs(landmarks - (cx, cy)) < side / 2).all(axis=1)
            assert not inside.any()
    assert found > 10


def test_letters_and_other_labels_have_an_index():
    assert [letter_index(letter) for letter in LETTERS] == list(range(26))
    assert letter_index("nothing") == NO_LETTER
    assert letter_index("space") == letter_index("del") == OTHER_SIGN


def test_processes_split_an_epoch_without_overlap():
    parts = [list(EpochPositions(10, rank, 3)) for rank in range(3)]
    assert sorted(position for part in parts for position in part) == list(range(9))
    assert {len(part) for part in parts} == {3}


def test_half_the_crops_without_a_hand_have_bands():
    crop = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    banded = [letterbox(np.random.default_rng(seed), crop) for seed in range(100)]
    fraction = np.mean([(image == BORDER_RGB).all(axis=2).any() for image in banded])
    assert 0.35 < fraction < 0.65
    assert (crop == 0).all()
    for image in banded:
        assert (image[SIZE_PX // 2, SIZE_PX // 2] == 0).all()


def test_landmarks_follow_a_bent_hand():
    size = 224
    rng = np.random.default_rng(3)
    landmarks = rng.uniform(0.2, 0.8, (21, 2)).astype(np.float32)
    image = np.zeros((size, size, 3), np.uint8)
    for x, y in landmarks * size:
        cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    crop, moved = bend(np.random.default_rng(0), image, landmarks, 1.0)
    assert moved is not None
    assert np.abs(moved - landmarks).max() > 0.01  # it was bent
    for x, y in np.round(moved * size).astype(int):
        assert crop[y - 2 : y + 3, x - 2 : x + 3].max() > 60
