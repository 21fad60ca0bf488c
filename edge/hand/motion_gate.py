"""Has anything moved since a frame that was read? While nothing has, the network may rest.

A frame is looked at as a thumbnail of grey cells, a small part of what a reading costs. A cell has changed
when it differs by more than the sensor's noise explains; two neighbours that have changed are movement.
"""

import cv2
import numpy as np

from edge.records import Array, Frame, Image

CELLS = 64  # across the longer side: a cell is 10 px of 640, a finger at arm's length
ROWS = 2  # of pixels that are averaged in each cell, of its height: what lies between is not read at all
# Photons come unevenly, by the square root of their number: the roots of grey levels have the same noise in
# the window and in the corner. DARK keeps the steps of 8 bits small in black.
DARK = 40.0
# Noise is measured on every frame, as the |difference| that three cells in four stay below (1.15 standard
# deviations; black cells have none, and are up to half of a picture). 4 of them are 4.6 deviations: two
# neighbours beyond that come once in hours. In roots: LEAST is 4 of 128 grey levels; MOST, 16 of them, is no
# noise: the whole picture moved.
QUIET_SHARE = 0.75
NOISES, LEAST, MOST = 4.0, 0.17, 0.7
SETTLE_S = 0.5  # beyond the time that a letter is held: it is settled before the rest begins
MIN_READINGS = 6  # the same for a board that reads two frames a second
GLANCE_S = 3.0  # a resting scene is read as often as this: a drift of the light, a last answer that was wrong


class MotionGate:
    """`rests(frame)` for every frame in order: whether it may stay unread. A letter must be held `hold_s`."""

    def __init__(self, hold_s: float) -> None:
        self._still_s = hold_s + SETTLE_S
        self._seen: Array | None = None  # the thumbnail that later ones are held against
        self._moved_t = self._read_t = 0.0
        self._readings = 0  # since it moved
        self._alarmed = False  # by the last frame

    def wake(self) -> None:
        """The next frame begins anew, as if it had moved."""
        self._seen = None

    def rests(self, frame: Frame) -> bool:
        """False: read it. A rest begins after a second without movement, and ends with the first that moved.

        One such frame alone is a glance; the next one that has moved, too, is the end of the rest.
        """
        thumbnail = thumbnail_of(frame.image)
        before, self._alarmed = self._alarmed, self._seen is None or has_moved(self._seen, thumbnail)
        if self._seen is None or frame.t < self._read_t or (before and self._alarmed):
            self._seen, self._moved_t, self._readings = thumbnail, frame.t, 0
            self._alarmed = False
        still = frame.t - self._moved_t >= self._still_s and self._readings >= MIN_READINGS
        if still and not self._alarmed and frame.t - self._read_t < GLANCE_S:
            return True
        if still and not self._alarmed:  # what has changed so slowly is no movement
            self._seen = thumbnail
        self._read_t = frame.t
        self._readings += 1
        return False


def thumbnail_of(image: Image) -> Array:
    """(H, W, 3) -> (h, w) float32 roots of grey, the longer side about CELLS."""
    height, width = image.shape[:2]
    cell = max(1, max(height, width) // CELLS)
    step = max(1, cell // ROWS)
    small = (max(1, width // cell), max(1, height // cell))
    # INTER_AREA is at its fastest where whole pixels fall into each cell: the rest at the edges is left out
    part = image[: small[1] * cell : step, : small[0] * cell]
    grey = cv2.cvtColor(cv2.resize(part, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(np.sqrt(grey + np.float32(DARK)), np.float32)


def has_moved(before: Array, now: Array) -> bool:
    """Two thumbnails, (h, w). Rows that are brighter as a whole are no movement: lamps flicker."""
    if before.shape != now.shape:
        return True
    height, width = now.shape
    bright = np.argpartition(before, width // 2, axis=1)[:, width // 2 :]  # black shows no change of light
    ratios = np.take_along_axis(now / before, bright, axis=1)
    middle = ratios.shape[1] // 2
    brighter = np.partition(ratios, middle, axis=1)[:, middle : middle + 1]
    difference = np.abs(now / brighter - before)
    quiet = int(QUIET_SHARE * height * width)
    noise = float(np.partition(difference, quiet, axis=None)[quiet])
    changed = difference > min(max(NOISES * noise, LEAST), MOST)
    return bool((changed[1:] & changed[:-1]).any() or (changed[:, 1:] & changed[:, :-1]).any())
