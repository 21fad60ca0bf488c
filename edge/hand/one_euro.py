"""The square that follows a hand, without the points' tremble: a One Euro filter.

Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012: still hands are smoothed much, quick ones hardly, so that nothing lags behind.
"""

import math

import numpy as np
import numpy.typing as npt

from edge.preprocess import Square

Numbers = npt.NDArray[np.float64]

# At rest, 1/s; at 30 frames a second the square's tremble falls to two fifths of that of the points.
REST_HZ = 1.5
# 1/s more for each side of the square that the hand moves a second: one that moves two is followed with a lag
# of 3 % of the side.
QUICK_HZ = 5.0
SPEED_HZ = 1.0  # of the speed itself, as in the paper
GAP_S = 0.5  # nothing is known of a hand that was not seen for so long


class OneEuroFilter:
    """Squares of one hand, one frame after another -> the same, steadier."""

    def __init__(self) -> None:
        self._at: Numbers | None = None  # (3,) the last answer: middle and side, px
        self._speed: Numbers = np.zeros(3)  # px/s
        self._t = 0.0

    def __call__(self, square: Square, t: float) -> Square:
        """`t` in seconds; a gap, or a step back in time, starts afresh."""
        now, passed_s = np.array(square, np.float64), t - self._t
        self._t = t
        if self._at is None or not 0 < passed_s <= GAP_S:
            self._at, self._speed = now, np.zeros(3)
            return square
        moved = (now - self._at) / passed_s
        self._speed = self._speed + _share(SPEED_HZ, passed_s) * (moved - self._speed)
        sides_a_second = float(np.linalg.norm(self._speed)) / square[2]
        share = _share(REST_HZ + QUICK_HZ * sides_a_second, passed_s)
        steady: Numbers = self._at + share * (now - self._at)
        self._at = steady
        x, y, side = steady.tolist()
        return x, y, side


def _share(cutoff_hz: float, passed_s: float) -> float:
    """Of the way to the new value that a first-order low-pass goes in that time, 0..1."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * passed_s))
