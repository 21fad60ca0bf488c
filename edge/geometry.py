"""Boxes, squares and rotations of a hand in a picture, for the device and for training.

Positions are in pixels, x to the right and y down. Angles are in radians, clockwise from up.
"""

import math

import numpy as np

from edge.records import Array, Box

Square = tuple[float, float, float]  # centre x, centre y, side; px in the picture

WRIST, KNUCKLES = 0, [5, 9, 13]  # landmarks; the little finger's knuckle is too unsteady to use
# Side of the square that the network sees, over the longer side of the landmarks' box. Training crops the
# same square; see docs/experiments.md, "Margin of the crop".
MARGIN = 1.75
# How far the hand extends beyond its landmarks, which are joints, on each side of their box; as a fraction of
# the box's longer side; see docs/experiments.md, "Margin of the crop".
SKIN = 0.12
# A square is at least this many times as large as the one before it, and at most 1 / ZOOM_LIMIT times.
# Uncertain landmarks crowd together, and a square around them would shrink to a fingertip.
ZOOM_LIMIT = 0.6


def box_around(landmarks: Array) -> Box:
    """Return the smallest box that holds landmarks (21, 2)."""
    x0, y0 = landmarks.min(axis=0)
    x1, y1 = landmarks.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def hand_box(landmarks: Array) -> Box:
    """Return the box of the whole hand with landmarks (21, 2): fingers extend beyond the joints."""
    x0, y0, x1, y1 = box_around(landmarks)
    skin = SKIN * max(x1 - x0, y1 - y0)
    return x0 - skin, y0 - skin, x1 + skin, y1 + skin


def square_around(box: Box, margin: float = MARGIN) -> Square:
    """Return the square centred on the landmarks' box, `margin` times its longer side."""
    x0, y0, x1, y1 = box
    return (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0) * margin


def rotated_square_around(landmarks: Array, rotation_rad: float, margin: float = MARGIN) -> Square:
    """Return the square around landmarks (21, 2) whose upper side points in the direction `rotation_rad`."""
    matrix = rotation_matrix(rotation_rad)
    x, y, side = square_around(box_around(landmarks @ matrix), margin)
    cx, cy = (matrix @ np.array([x, y], np.float32)).tolist()
    return cx, cy, side


def direction_rad(dx: float, dy: float) -> float:
    """Return the direction of a vector in pixels."""
    return math.atan2(dx, -dy)


def hand_direction_rad(landmarks: Array) -> float:
    """Return the direction from the wrist to the knuckles of landmarks (21, 2)."""
    dx, dy = landmarks[KNUCKLES].mean(axis=0) - landmarks[WRIST]
    return direction_rad(dx, dy)


def rotation_matrix(rotation_rad: float) -> Array:
    """Return the (2, 2) matrix that rotates a vector in pixels clockwise."""
    cos, sin = math.cos(rotation_rad), math.sin(rotation_rad)
    return np.array([[cos, -sin], [sin, cos]], np.float32)


def limit_zoom(side: float, previous_side: float) -> float:
    """Return a square's side, limited to one step of ZOOM_LIMIT from the previous square's side."""
    return min(max(side, ZOOM_LIMIT * previous_side), previous_side / ZOOM_LIMIT)


def box_iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, 0..1."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either if either > 0 else 0.0


def square_iou(a: Square, b: Square) -> float:
    """Return the intersection over union of two squares, 0..1."""
    return box_iou(_box_of_square(a), _box_of_square(b))


def _box_of_square(square: Square) -> Box:
    cx, cy, side = square
    return cx - side / 2, cy - side / 2, cx + side / 2, cy + side / 2
