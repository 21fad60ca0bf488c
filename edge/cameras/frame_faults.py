"""Detection of a camera that delivers identical or black pictures."""

from typing import Literal

import numpy as np

from edge.records import Image

STEP_PX = 8  # compare every 8th pixel of every 8th row; sensor noise alone changes thousands of these
BLACK_MEAN = 8.0  # 0..255: above the noise of a covered sensor, below a room lit by a lamp at night


class FrameFaults:
    """Report `frozen` or `black` once the fault has lasted for `hold_s` seconds without a break."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._last: Image | None = None
        self._changed_t = self._lit_t = 0.0  # the last time that a picture changed, and that one wasn't black

    def update(self, image: Image, t: float) -> Literal["live", "frozen", "black"]:
        """Return the camera's status after its next picture, (H, W, 3), captured at `t` seconds."""
        sample = image[::STEP_PX, ::STEP_PX].copy()
        if self._last is None:
            self._changed_t = self._lit_t = t
        elif not np.array_equal(sample, self._last):
            self._changed_t = t
        if sample.mean() >= BLACK_MEAN:
            self._lit_t = t
        self._last = sample
        if t - self._lit_t >= self._hold_s:
            return "black"
        return "frozen" if t - self._changed_t >= self._hold_s else "live"
