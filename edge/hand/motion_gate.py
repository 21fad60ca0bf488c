"""Decide whether a frame shows movement; without movement the network can rest.

Frames are compared as small thumbnails, at a fraction of an inference's cost. A cell of the thumbnail has
changed if it differs by more than the sensor's noise explains; two neighbouring cells that have changed are
movement.
"""

import cv2
import numpy as np

from edge.records import Array, Frame, Image

CELLS = 64  # along the longer side: a cell is 10 px of 640, a finger at arm's length
ROWS = 2  # rows of pixels averaged in each cell; the rows between them are not read
# The noise of light grows with the square root of the grey level, so thumbnails hold roots of grey levels,
# which have the same noise everywhere. DARK_OFFSET keeps the steps of 8-bit black small.
DARK_OFFSET = 40.0
# The noise is measured in every frame: QUIET_FRACTION of the cells differ by less than it. That is 1.15
# standard deviations, so NOISE_FACTOR times as much is 4.6, which two neighbouring cells exceed by chance
# once in hours. The limits are in roots of grey levels: MIN_CHANGE is 4 grey levels at 128. A difference of
# MAX_CHANGE, 16 grey levels, is never noise: the whole picture moved.
QUIET_FRACTION = 0.75
NOISE_FACTOR, MIN_CHANGE, MAX_CHANGE = 4.0, 0.17, 0.7
SETTLE_S = 0.5  # after the hold time: a held letter is complete before the rest begins
MIN_READ = 6  # frames; the same for a board that reads two frames a second
GLANCE_S = 3.0  # a resting scene is read this often: the light may drift, the last prediction may be wrong


class MotionGate:
    """Say for each frame, in order, whether it may stay unread. A letter must be held for `hold_s`."""

    def __init__(self, hold_s: float) -> None:
        self._still_s = hold_s + SETTLE_S
        self._reference: Array | None = None  # the thumbnail that others are compared with
        self._moved_t = self._read_t = 0.0
        self._n_read = 0  # frames since the last movement
        self._suspected = False  # the previous frame may have moved

    def wake(self) -> None:
        """Treat the next frame as movement."""
        self._reference = None

    def rests(self, frame: Frame) -> bool:
        """Return whether the frame may stay unread.

        A rest begins `hold_s` and SETTLE_S after the last movement. The first frame that moved is read; if
        the next one has moved too, the rest is over.
        """
        thumbnail = make_thumbnail(frame.image)
        suspected_before = self._suspected
        self._suspected = self._reference is None or has_moved(self._reference, thumbnail)
        if self._reference is None or frame.t < self._read_t or (suspected_before and self._suspected):
            self._reference, self._moved_t, self._n_read = thumbnail, frame.t, 0
            self._suspected = False
        still = frame.t - self._moved_t >= self._still_s and self._n_read >= MIN_READ
        if still and not self._suspected and frame.t - self._read_t < GLANCE_S:
            return True
        if still and not self._suspected:  # a slow change is no movement
            self._reference = thumbnail
        self._read_t = frame.t
        self._n_read += 1
        return False


def make_thumbnail(image: Image) -> Array:
    """Reduce (H, W, 3) to (h, w) float32 roots of grey levels; the longer side is about CELLS."""
    height, width = image.shape[:2]
    cell = max(1, max(height, width) // CELLS)
    step = max(1, cell // ROWS)
    small = (max(1, width // cell), max(1, height // cell))
    # INTER_AREA is fastest if whole pixels fall into each cell, so the remainder at the edges is left out
    part = image[: small[1] * cell : step, : small[0] * cell]
    grey = cv2.cvtColor(cv2.resize(part, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.sqrt(grey + np.float32(DARK_OFFSET)), np.float32)


def has_moved(before: Array, now: Array) -> bool:
    """Compare two thumbnails (h, w). Rows that brighten as a whole are no movement, because lamps flicker."""
    if before.shape != now.shape:
        return True
    height, width = now.shape
    bright = np.argpartition(before, width // 2, axis=1)[:, width // 2 :]  # black shows no change of light
    ratios = np.take_along_axis(now / before, bright, axis=1)
    middle = ratios.shape[1] // 2
    row_gain = np.partition(ratios, middle, axis=1)[:, middle : middle + 1]
    difference = np.abs(now / row_gain - before)
    quiet = int(QUIET_FRACTION * height * width)
    noise = float(np.partition(difference, quiet, axis=None)[quiet])
    changed = difference > min(max(NOISE_FACTOR * noise, MIN_CHANGE), MAX_CHANGE)
    return bool((changed[1:] & changed[:-1]).any() or (changed[:, 1:] & changed[:, :-1]).any())
