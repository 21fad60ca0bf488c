"""The pixel contract: training, export and the device agree with the same golden tensors."""

import cv2
import numpy as np
import pytest
import torch

from edge.engines.golden import golden_picture, golden_tensor
from edge.geometry import Square
from edge.preprocess import BORDER_RGB, MEAN_RGB, STD_RGB, brighten, crop_square, to_tensor, whole_square
from train.fit.loss import normalise

SIZE_PX = 96


def test_golden_tensor_follows_the_formula_of_the_contract() -> None:
    picture = golden_picture(SIZE_PX)
    exact = (picture.astype(np.float64) / 255 - MEAN_RGB) / STD_RGB
    np.testing.assert_allclose(golden_tensor(SIZE_PX)[0], exact.transpose(2, 0, 1), atol=1e-5)


def test_golden_picture_is_the_same_bytes_on_every_machine() -> None:
    picture = golden_picture(SIZE_PX)
    assert picture.shape == (SIZE_PX, SIZE_PX, 3)
    assert picture[0, 0].tolist() == [144, 0, 0]
    # x = 160, y = 128: (32² + 32²) / 64, (480 + 128) % 256, 160 · 128 / 256
    assert picture[48, 60].tolist() == [32, 96, 80]
    assert int(picture.astype(np.int64).sum()) == 2_769_264


def test_training_normalises_like_the_device() -> None:
    picture = golden_picture(SIZE_PX)
    trained_on = normalise(torch.from_numpy(picture[None]))
    assert tuple(trained_on.shape) == (1, 3, SIZE_PX, SIZE_PX)
    np.testing.assert_allclose(trained_on.numpy(), to_tensor(picture), atol=1e-5)


def test_tensor_is_one_contiguous_float32_batch() -> None:
    tensor = golden_tensor(64)
    assert tensor.shape == (1, 3, 64, 64)
    assert tensor.dtype == np.float32
    assert tensor.flags["C_CONTIGUOUS"]


def test_border_colour_becomes_nearly_zero() -> None:
    tensor = to_tensor(np.full((8, 8, 3), BORDER_RGB, np.uint8))
    assert np.abs(tensor).max() < 0.01


def test_picture_with_a_bright_spot_is_unchanged() -> None:
    picture = golden_picture(SIZE_PX)
    assert brighten(picture) is picture
    lamp = np.full((480, 640, 3), 20, np.uint8)
    lamp[:80, :80] = 250
    assert brighten(lamp) is lamp


def test_dark_picture_is_amplified() -> None:
    picture = np.random.default_rng(0).integers(0, 200, (480, 640, 3)).astype(np.uint8)
    np.testing.assert_allclose(brighten(picture // 4), picture * (170 / 198), atol=5)


def test_noise_of_a_covered_lens_is_amplified_little() -> None:
    noise = np.random.default_rng(0).integers(0, 3, (480, 640, 3)).astype(np.uint8)
    assert brighten(noise).max() <= 16
    assert brighten(np.zeros((2, 3, 3), np.uint8)).max() == 0


def test_square_inside_the_picture_is_copied() -> None:
    image = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3).astype(np.uint8)
    np.testing.assert_array_equal(crop_square(image, (10, 8, 8), 8), image[4:12, 6:14])


@pytest.mark.parametrize("square", [(0.0, 0.0, 10.0), (30.0, 20.0, 10.0), (15.0, 10.0, 60.0)])
def test_square_that_leaves_the_picture_shows_the_border_colour(square: Square) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    crop = crop_square(image, square, 16)
    assert crop.shape == (16, 16, 3)
    assert (crop == BORDER_RGB).all(axis=2).any()
    assert (crop == 0).all(axis=2).any()


def test_square_far_outside_is_all_border() -> None:
    crop = crop_square(np.zeros((20, 30, 3), np.uint8), (500.0, 500.0, 10.0), 16)
    assert (crop == BORDER_RGB).all()


def test_whole_square_holds_the_whole_picture() -> None:
    image = np.full((20, 30, 3), 255, np.uint8)
    crop = crop_square(image, whole_square(image), 30)
    assert (crop[5:25] == 255).all()
    assert (crop[:5] == BORDER_RGB).all()
    assert (crop[25:] == BORDER_RGB).all()


@pytest.mark.parametrize("side", [40.0, 200.0])  # sampled, and averaged first
def test_rotated_square_has_its_upper_side_up(side: float) -> None:
    image = np.zeros((240, 240, 3), np.uint8)
    image[:, 120:] = 200  # the right half
    crop = crop_square(image, (120.0, 120.0, side), 40, np.pi / 2)
    assert (crop[:18] == 200).all()
    assert (crop[22:] == 0).all()


def test_rotated_square_that_leaves_the_picture_shows_the_border_colour() -> None:
    crop = crop_square(np.zeros((40, 40, 3), np.uint8), (20.0, 20.0, 40.0), 40, np.pi / 4)
    assert (crop[0, 0] == BORDER_RGB).all()
    assert (crop[20, 20] == 0).all()


def test_hardly_rotated_square_is_nearly_the_square() -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    one, other = (crop_square(image, (30.0, 30.0, 50.0), 40, rotation_rad) for rotation_rad in (0.0, 1e-9))
    assert np.abs(one.astype(int) - other).max() <= 2


def test_strong_reduction_averages_the_pixels() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, ::2] = 200  # stripes one pixel wide
    crop = crop_square(image, whole_square(image), 16)
    assert (crop == 100).all()
