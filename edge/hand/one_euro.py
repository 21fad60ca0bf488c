"""Smooth the square that tracks a hand: a One Euro filter.

Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012: strong smoothing at rest against jitter, little smoothing in motion against lag.
"""

import math

import numpy as np
import numpy.typing as npt

from edge.geometry import Square

Vector = npt.NDArray[np.float64]

# Cutoff frequencies; see docs/experiments.md, "Smoothing of the tracked square".
REST_HZ = 1.5
SPEED_GAIN_HZ = 5.0  # more for each side of the square that the hand moves in a second
SPEED_CUTOFF_HZ = 1.0  # of the speed itself, as in the paper
MAX_GAP_S = 0.5  # after a longer gap the filter starts again


class OneEuroFilter:
    """Smooth the squares of one hand, frame by frame."""

    def __init__(self) -> None:
        self._square: Vector | None = None  # (3,) the last result: centre and side, px
        self._speed: Vector = np.zeros(3)  # px/s
        self._t = 0.0

    def __call__(self, square: Square, t: float) -> Square:
        """Return the smoothed square at `t` seconds. A long gap or a step back in time resets the filter."""
        new, passed_s = np.array(square, np.float64), t - self._t
        self._t = t
        if self._square is None or not 0 < passed_s <= MAX_GAP_S:
            self._square, self._speed = new, np.zeros(3)
            return square
        speed = (new - self._square) / passed_s
        self._speed = self._speed + _smoothing(SPEED_CUTOFF_HZ, passed_s) * (speed - self._speed)
        sides_per_s = float(np.linalg.norm(self._speed)) / square[2]
        smoothing = _smoothing(REST_HZ + SPEED_GAIN_HZ * sides_per_s, passed_s)
        smoothed: Vector = self._square + smoothing * (new - self._square)
        self._square = smoothed
        x, y, side = smoothed.tolist()
        return x, y, side


def _smoothing(cutoff_hz: float, passed_s: float) -> float:
    """Return the weight of the new value, 0..1, in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * passed_s))
