"""Why no letter comes, in one short sentence, from measurements. Pure: its time is the frames' own.

What is measured: where the hand lies in the picture, the brightness around it, how sharp it is beside its
sharpest of the last seconds, how fast it moves, how the letters' shares are spread, how long a letter lasted.
"""

from collections import deque

import cv2
import numpy as np

from edge.letters.filter import SURE_ENOUGH
from edge.records import Array, Frame, Hint, Image, LetterEvent, Prediction

MEASURE_S = 0.15  # between two looks at pixels: light and sharpness do not change faster
STEADY_S = 0.3  # a reason is said when it has held for so long: a sentence that flickers can't be read
MEMORY_S = 3.0  # how far back the sharpest look of the hand counts
LATELY_S = 1.5  # how long a letter that was let go too soon, or a hand that left, is still told of
CUT_SHARE = 0.04  # of the box's side outside the picture: a hand whose tips are missing
# Of 0..255. Photographs of the six sources have means from 60 to 190 around the hand.
DARK, BRIGHT = 40, 225
FAST_PER_S = 1.0  # of the box's longer side: between two frames at 15 a second that is a finger's breadth
BLURRED = 0.45  # of the sharpest of late: motion over a finger's breadth takes away more
SIDE_PX = 64  # of the hand's square in which sharpness is measured
CLEAR_LEAD = 0.25  # how far the best letter's mean share must lead the second's

NO_REASON = Hint("", "")


class HintTracker:
    """`update` with each frame -> the reason; its `kind` is "" while a letter is read."""

    def __init__(self, hold_s: float = 0.5) -> None:
        self._hold_s = hold_s
        self._forget()

    def _forget(self) -> None:
        self._recent: deque[Prediction] = deque()
        self._sharpness: deque[tuple[float, float]] = deque()  # t, of the hand
        self._read: str | None = None  # the letter of the last event, while the hand still shows it
        self._run: tuple[str, float] | None = None  # the letter shown now, and since when
        self._short: tuple[str, float, float] | None = None  # a letter let go too soon: when, after how long
        self._left: tuple[str, float] | None = None  # the side at which a hand was last seen cut, and when
        self._measured_t = -np.inf
        self._brightness = 128.0
        self._blurred = False
        self._said, self._next, self._next_t = NO_REASON, NO_REASON, 0.0

    def update(self, frame: Frame, prediction: Prediction, event: LetterEvent | None) -> Hint:
        """The reason why this frame gives no letter."""
        now = prediction.t
        if self._recent and not 0 <= now - self._recent[-1].t <= MEMORY_S:
            self._forget()  # another recording, or a camera that was away
        if now - self._measured_t >= MEASURE_S:
            self._measured_t = now
            self._measure(frame.image, prediction, now)
        self._recent.append(prediction)
        while now - self._recent[0].t > max(self._hold_s, 0.5):
            self._recent.popleft()
        self._follow(prediction, event)
        return self._steady(self._reason(frame.image, prediction, now), now)

    def _measure(self, image: Image, prediction: Prediction, now: float) -> None:
        patch = _patch(image, prediction)
        self._brightness = float(patch.mean())
        self._blurred = False
        if prediction.hand is None:
            self._sharpness.clear()
            return
        small = cv2.resize(patch, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        sharpness = float(cv2.Laplacian(small, cv2.CV_32F).var())
        self._sharpness.append((now, sharpness))
        while now - self._sharpness[0][0] > MEMORY_S:
            self._sharpness.popleft()
        self._blurred = sharpness < BLURRED * max(value for _, value in self._sharpness)

    def _follow(self, prediction: Prediction, event: LetterEvent | None) -> None:
        """Which letter is shown, since when, and which was let go too soon."""
        now, letter = prediction.t, prediction.letter
        if event is not None:
            self._read, self._short = event.letter, None
        elif self._read and sum(p.letter == self._read for p in self._recent) * 2 < len(self._recent):
            self._read = None
        if self._run is None or self._run[0] != letter:
            if self._run is not None and self._run[0] != self._read:
                lasted_s = now - self._run[1]
                # what is read while the hand comes and goes is no letter that anybody held
                if 0.15 < lasted_s < self._hold_s and self._speed() < FAST_PER_S:
                    self._short = (self._run[0], now, lasted_s)
            self._run = None if letter is None else (letter, now)

    def _reason(self, image: Image, prediction: Prediction, now: float) -> Hint:
        side = _cut_side(image, prediction)
        if side:
            self._left = (side, now)
        light = self._light()
        if prediction.hand is None:
            if light.kind:
                return light
            if self._left and now - self._left[1] < LATELY_S:
                return Hint("cut", f"The hand left the picture at the {self._left[0]}.")
            return self._too_short(now) or Hint("no_hand", "No hand is seen.")
        if self._read and prediction.letter == self._read:
            return NO_REASON
        if side:
            return Hint("cut", f"The hand is cut off at the {side}: move it into the picture.")
        if light.kind:
            return light
        if self._blurred and self._speed() > FAST_PER_S:
            return Hint("blurred", "The hand moves too fast to be sharp: hold it still.")
        return self._unsure() or self._too_short(now) or self._holding(now)

    def _light(self) -> Hint:
        if self._brightness < DARK:
            return Hint("dark", "It is too dark: more light on the hand.")
        if self._brightness > BRIGHT:
            return Hint("bright", "It is too bright: less light on the hand, or none behind it.")
        return NO_REASON

    def _speed(self) -> float:
        """Of the box's centre over the last frames, its longer sides a second."""
        snapshot = [p for p in list(self._recent)[-4:] if p.hand is not None]
        if len(snapshot) < 2 or snapshot[-1].t <= snapshot[0].t:
            return 0.0
        boxes = np.array([p.hand.box_xyxy for p in snapshot if p.hand is not None], np.float32)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        side = float((boxes[:, 2:] - boxes[:, :2]).max(axis=1).mean())
        path = float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())
        return path / max(side, 1.0) / (snapshot[-1].t - snapshot[0].t)

    def _unsure(self) -> Hint | None:
        """The two letters that share the last frames, where neither leads."""
        shares: dict[str, float] = {}
        snapshot = [p for p in self._recent if p.hand is not None]
        for prediction in snapshot:
            for letter, share in prediction.top:
                shares[letter] = shares.get(letter, 0.0) + share / len(snapshot)
        best = sorted(shares.items(), key=lambda item: -item[1])[:2]
        if len(best) < 2 or len(snapshot) < 3:
            return None
        (one, first), (two, second) = best
        if first - second >= CLEAR_LEAD and first >= SURE_ENOUGH:
            return None
        return Hint("unsure", f"Not sure between {one} and {two}.")

    def _too_short(self, now: float) -> Hint | None:
        if self._short is None or now - self._short[1] > LATELY_S:
            return None
        letter, _, lasted_s = self._short
        return Hint("short", f"{letter} was held too short: {lasted_s:.1f} s of {self._hold_s:g} s.")

    def _holding(self, now: float) -> Hint:
        if self._run is None:  # seen, and less sure than min_confidence
            return Hint("unsure", "Not sure which letter it is.")
        return Hint("hold", f"Hold it: {self._run[0]}.")

    def _steady(self, hint: Hint, now: float) -> Hint:
        """A new kind is said when it has lasted; the end of all reasons at once."""
        if hint.kind != self._next.kind:
            self._next_t = now
        self._next = hint
        if hint.kind in ("", self._said.kind) or now - self._next_t >= STEADY_S:
            self._said = hint
        return self._said


def _patch(image: Image, prediction: Prediction) -> Array:
    """Grey around the hand, or of the whole picture without one; thinned out to what measuring needs."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (0.0, 0.0, width, height) if prediction.hand is None else prediction.hand.box_xyxy
    left, top = int(min(max(x0, 0), width - 8)), int(min(max(y0, 0), height - 8))
    right, bottom = int(max(min(x1, width), left + 8)), int(max(min(y1, height), top + 8))
    step = max(1, min(right - left, bottom - top) // (2 * SIDE_PX))
    part = image[top:bottom:step, left:right:step]
    return np.asarray(part @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _cut_side(image: Image, prediction: Prediction) -> str:
    """left, right, top or bottom, where the hand's points leave the picture; "" where none does.

    The wrist's end does not count: an arm comes from somewhere.
    """
    if prediction.hand is None or prediction.hand.landmarks is None:
        return ""
    height, width = image.shape[:2]
    landmarks = prediction.hand.landmarks[1:]  # 0 is the wrist
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    allowed = CUT_SHARE * float((high - low).max())
    beyond = {
        "left edge": -low[0],
        "right edge": high[0] - width,
        "top": -low[1],
        "bottom": high[1] - height,
    }
    side, most = max(beyond.items(), key=lambda item: item[1])
    return side if most > allowed else ""
