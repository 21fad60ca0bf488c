"""Boxes, squares and rotations of a hand."""

import numpy as np
import pytest

from edge.geometry import (
    MARGIN,
    SKIN,
    box_around,
    box_iou,
    hand_box,
    hand_direction_rad,
    rotated_square_around,
    rotation_matrix,
    square_around,
    square_iou,
)
from edge.records import Array


def hand_that_points(direction_rad: float) -> Array:
    """(21, 2) px: the wrist at (100, 100), the others 40 px away in that direction, spread a little."""
    angles = direction_rad + np.linspace(-0.3, 0.3, 21)
    landmarks = 100 + 40 * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    landmarks[0] = 100
    return landmarks.astype(np.float32)


@pytest.mark.parametrize("direction_deg", [0, 30, -90, 150])
def test_rotated_square_holds_the_hand_upright(direction_deg: int) -> None:
    direction_rad = float(np.deg2rad(direction_deg))
    landmarks = hand_that_points(direction_rad)
    assert np.rad2deg(hand_direction_rad(landmarks)) == pytest.approx(direction_deg, abs=5)
    cx, cy, side = rotated_square_around(landmarks, direction_rad)
    upright = (landmarks - (cx, cy)) @ rotation_matrix(direction_rad) / side  # fractions, from the centre
    box = box_around(upright)
    np.testing.assert_allclose((box[0] + box[2], box[1] + box[3]), 0, atol=1e-4)
    assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(1 / MARGIN, rel=1e-4)
    assert upright[0, 1] == pytest.approx(box[3])  # the wrist is the lowest point


def test_square_around_a_box_is_margin_times_its_longer_side() -> None:
    assert square_around((10, 20, 30, 60)) == (20, 40, 40 * MARGIN)


def test_box_around_holds_every_landmark() -> None:
    landmarks = np.array([[3, 9], [1, 4], [8, 5]], np.float32)
    assert box_around(landmarks) == (1, 4, 8, 9)


def test_hand_box_extends_beyond_the_landmarks_by_the_skin() -> None:
    landmarks = np.array([[10, 20], [30, 60], [20, 40]], np.float32)
    skin = 40 * SKIN
    assert hand_box(landmarks) == pytest.approx((10 - skin, 20 - skin, 30 + skin, 60 + skin))


def test_iou_of_squares() -> None:
    assert square_iou((0, 0, 10), (0, 0, 10)) == 1
    assert square_iou((0, 0, 10), (20, 0, 10)) == 0
    assert square_iou((0, 0, 10), (5, 0, 10)) == pytest.approx(1 / 3)


def test_iou_of_boxes() -> None:
    assert box_iou((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert box_iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert box_iou((0, 0, 10, 10), (30, 30, 40, 40)) == 0
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0
