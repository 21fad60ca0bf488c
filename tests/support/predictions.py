"""Predictions and camera states for tests that need no network."""

import numpy as np

from edge.records import LETTERS, CameraState, Hand, Prediction

LIVE = CameraState("usb:0", "live", 0, 0.0, 0)


def prediction(
    letter: str | None, t: float, hand: Hand | None = None, confidence: float = 0.9, second: str = "Z"
) -> Prediction:
    """What a frame shows at `t`: `letter` with that confidence, and `second` with the rest."""
    probabilities = np.zeros(26, np.float32)
    if letter is not None:
        probabilities[[LETTERS.index(letter), LETTERS.index(second)]] = confidence, 1 - confidence
    return Prediction(letter, confidence if letter else 0.0, hand, t, probabilities)
