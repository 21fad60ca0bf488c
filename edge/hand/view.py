"""One view: a square of the picture as the network sees it. Several views of one hand give its letter.

The network sees the hand as it is held, or rotated until it stands upright; the two kinds of view make
different mistakes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge.geometry import (
    Square,
    box_around,
    hand_box,
    hand_direction_rad,
    limit_zoom,
    rotated_square_around,
    rotation_matrix,
    square_around,
)
from edge.logits import log_softmax, sigmoid
from edge.package import ModelSpec
from edge.preprocess import crop_square, to_tensor
from edge.records import LETTERS, Array, Engine, Hand, Image, Output, Prediction

# Weight of the upright views together, where the other views together weigh 1. Upright views alone read fewer
# letters right, because an H rotated upright looks like a U.
UPRIGHT_WEIGHT = 0.5
# A J is a rotated I, so an upright view can't tell them apart: views of the hand as it is held decide.
SAME_UPRIGHT = [LETTERS.index(letter) for letter in "IJ"]


class View(NamedTuple):
    """One inference: the square and the network's output."""

    square: Square
    output: Output
    rotation_rad: float | None = None  # of an upright view; None: the hand as it is held
    mirrored: bool = False  # a mirrored view counts for the letter, but its landmarks are the other hand's

    @property
    def presence(self) -> float:
        """The probability that the square shows a hand, 0..1."""
        return float(sigmoid(self.output.presence[0]))

    @property
    def landmarks(self) -> Array:
        """(21, 2) px in the picture."""
        cx, cy, side = self.square
        offsets = (self.output.landmarks[0] - 0.5) * side
        return np.asarray(offsets @ rotation_matrix(self.rotation_rad or 0.0).T + (cx, cy), np.float32)


def take_view(
    image: Image,
    square: Square,
    engine: Engine,
    size_px: int,
    rotation_rad: float | None = None,
    mirrored: bool = False,
) -> View:
    """Crop a square and run the network on it. `rotation_rad`: the hand's direction, for an upright view."""
    crop = crop_square(image, square, size_px, rotation_rad or 0.0)
    tensor = to_tensor(crop[:, ::-1] if mirrored else crop)
    output = engine(tensor) if rotation_rad is None else engine(tensor, upright=True)
    return View(square, output, rotation_rad, mirrored)


def landmark_square(view: View) -> Square:
    """Return the square around the view's landmarks."""
    return square_around(box_around(view.landmarks))


def closer_square(view: View) -> Square:
    """Return the square for the next view of the same picture, limited to one zoom step."""
    return _limited(landmark_square(view), view)


def upright_square(view: View) -> tuple[Square, float]:
    """Return the square in which the view's hand stands upright, and its rotation in radians."""
    landmarks = view.landmarks
    rotation_rad = hand_direction_rad(landmarks)
    return rotated_square_around(landmarks, rotation_rad), rotation_rad


def closer_upright_square(view: View) -> tuple[Square, float]:
    """Return `upright_square`, limited to one zoom step."""
    square, rotation_rad = upright_square(view)
    return _limited(square, view), rotation_rad


def _limited(square: Square, view: View) -> Square:
    cx, cy, side = square
    return cx, cy, limit_zoom(side, view.square[2])


def log_probabilities(views: Sequence[View], temperature: float) -> Array:
    """Return (26,) log probabilities: the weighted mean of the two kinds' mean log probabilities."""
    upright_views = [view for view in views if view.rotation_rad is not None]
    if len(upright_views) in (0, len(views)):
        return _mean_log_probabilities(views, temperature)
    held = _mean_log_probabilities([view for view in views if view.rotation_rad is None], temperature)
    upright = _mean_log_probabilities(upright_views, temperature)
    either = np.logaddexp.reduce(upright[SAME_UPRIGHT])
    upright[SAME_UPRIGHT] = either + log_softmax(held[SAME_UPRIGHT])
    mean = (held + UPRIGHT_WEIGHT * upright) / (1 + UPRIGHT_WEIGHT)
    return log_softmax(np.asarray(mean, np.float32))


def _mean_log_probabilities(views: Sequence[View], temperature: float) -> Array:
    each = [log_softmax(view.output.letters[0] / temperature) for view in views]
    return log_softmax(np.asarray(np.mean(each, axis=0), np.float32))


def predict(
    views: Sequence[View],
    t: float,
    spec: ModelSpec,
    min_confidence: float = 0.0,
    placed_by: View | None = None,
) -> Prediction:
    """Combine the views of one hand into a Prediction.

    Presence comes from the last view, landmarks from `placed_by` (default: the last view). The letter is None
    if there is no hand or its probability is below `min_confidence`.
    """
    landmarks = (placed_by or views[-1]).landmarks
    hand = Hand(hand_box(landmarks), landmarks, views[-1].presence)
    probabilities = np.exp(log_probabilities(views, spec.temperature))
    best = int(probabilities.argmax())
    confidence = float(probabilities[best])
    if hand.presence < spec.presence_threshold:
        return Prediction(None, confidence, None, t, probabilities)
    letter = LETTERS[best] if confidence >= min_confidence else None
    return Prediction(letter, confidence, hand, t, probabilities)
