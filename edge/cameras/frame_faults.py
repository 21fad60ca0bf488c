"""Finds pictures that arrive and show nothing: identical ones, and black ones."""

from typing import Literal

import numpy as np

from edge.records import Image

STEP_PX = 8  # every 8th pixel of every 8th row is compared; a sensor's noise alone changes thousands of them
BLACK = 8.0  # mean of 0..255: above the noise of a covered sensor, below a room lit by a lamp at night


class FrameFaults:
    """Tells `frozen` or `black` once it has been so for `hold_s` without a break."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._last: Image | None = None
        self._changed_s = self._lit_s = 0.0  # when a picture last changed, and when one was last lit

    def update(self, image: Image, t: float) -> Literal["live", "frozen", "black"]:
        """Compare the next picture, (H, W, 3), captured at `t` seconds, with the one before."""
        sample = image[::STEP_PX, ::STEP_PX].copy()
        if self._last is None:
            self._changed_s = self._lit_s = t
        elif not np.array_equal(sample, self._last):
            self._changed_s = t
        if sample.mean() >= BLACK:
            self._lit_s = t
        self._last = sample
        if t - self._lit_s >= self._hold_s:
            return "black"
        return "frozen" if t - self._changed_s >= self._hold_s else "live"
