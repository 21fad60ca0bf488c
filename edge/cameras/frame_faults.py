"""Pictures that come and show nothing: the same one again and again, or black."""

from typing import Literal

import numpy as np

from edge.records import Image

STEP_PX = 8  # every 8th pixel of every 8th row: noise alone makes two pictures differ in thousands of them
BLACK = 8.0  # mean of 0..255; a covered sensor's noise lies below, a lamp at night above


class FrameFaults:
    """Says `frozen` or `black` once it was so for `hold_s` without a break."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._last: Image | None = None
        self._changed_s = self._lit_s = 0.0  # when a picture last differed from the one before, or was lit

    def update(self, image: Image, t: float) -> Literal["live", "frozen", "black"]:
        """One (H, W, 3) picture, captured at t seconds."""
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
