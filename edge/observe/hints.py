"""Why no letter is read, as one short sentence, from measurements. Its only clock is the frames' own times.

Measured are the hand's position in the picture, the brightness around it, its sharpness compared with the
last seconds, its speed, the probabilities of its letters, and how long a letter was shown.
"""

from collections import deque

import cv2
import numpy as np

from edge.records import LETTERS, Array, Frame, Hint, Image, LetterEvent, Prediction
from edge.settings import Settings

MEASURE_S = 0.15  # between two measurements of pixels: light and sharpness do not change faster
STABLE_S = 0.3  # a new kind of hint is shown when it has lasted this long: flickering text can't be read
MEMORY_S = 3.0  # sharpness is compared with the sharpest hand of this time
RECENT_S = 1.5  # how long a hint mentions a letter that was held too short, or a hand that left the picture
CUT_OFF_FRACTION = 0.04  # of the box's side outside the picture: fingertips are missing
DARK, BRIGHT = 40, 225  # of 255, mean around the hand; see docs/experiments.md, "Light around the hand"
FAST_PER_S = 1.0  # of the box's longer side: between two frames at 15 a second that is a finger's breadth
BLURRED = 0.45  # of the sharpest hand in MEMORY_S: motion by more than a finger's breadth reduces it further
SIDE_PX = 64  # of the hand's square in which sharpness is measured
CLEAR_LEAD = 0.25  # by which the best letter's mean probability must exceed the second's
MIN_WINDOW_S = 0.5  # of predictions, however short a letter must be held
MIN_SHOWN_S = 0.15  # a letter shown for less was not meant

NO_HINT = Hint("", "")
DEFAULTS = Settings()


class HintTracker:
    """`update` with each frame returns the hint; its `kind` is "" while a letter is read."""

    def __init__(
        self, hold_s: float = DEFAULTS.hold_s, min_mean_confidence: float = DEFAULTS.min_mean_confidence
    ) -> None:
        self._hold_s, self._min_mean_confidence = hold_s, min_mean_confidence
        self._reset()

    def _reset(self) -> None:
        self._recent: deque[Prediction] = deque()
        self._sharpness: deque[tuple[float, float]] = deque()  # time, value
        self._read: str | None = None  # the letter of the last event, while the hand still shows it
        self._shown: tuple[str, float] | None = None  # the letter that is shown now, and since when
        self._too_short: tuple[str, float, float] | None = None  # letter, when it ended, how long it lasted
        self._left_at: tuple[str, float] | None = None  # the edge at which a hand was last cut off, and when
        self._measured_t = -np.inf
        self._brightness = 128.0
        self._blurred = False
        self._current, self._next, self._next_t = NO_HINT, NO_HINT, 0.0

    def update(self, frame: Frame, prediction: Prediction, event: LetterEvent | None) -> Hint:
        """Return the reason why this frame gives no letter."""
        now = prediction.t
        if self._recent and not 0 <= now - self._recent[-1].t <= MEMORY_S:
            self._reset()  # another recording, or a camera that was away
        if now - self._measured_t >= MEASURE_S:
            self._measured_t = now
            self._measure(frame.image, prediction, now)
        self._recent.append(prediction)
        while now - self._recent[0].t > max(self._hold_s, MIN_WINDOW_S):
            self._recent.popleft()
        self._follow_letter(prediction, event)
        return self._stabilise(self._find_hint(frame.image, prediction, now), now)

    def _measure(self, image: Image, prediction: Prediction, now: float) -> None:
        patch = _grey_patch(image, prediction)
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

    def _follow_letter(self, prediction: Prediction, event: LetterEvent | None) -> None:
        """Note which letter is shown, since when, and which was held too short."""
        now, letter = prediction.t, prediction.letter
        if event is not None:
            self._read, self._too_short = event.letter, None
        elif self._read and sum(p.letter == self._read for p in self._recent) * 2 < len(self._recent):
            self._read = None
        if self._shown is not None and self._shown[0] == letter:
            return
        if self._shown is not None and self._shown[0] != self._read:
            lasted_s = now - self._shown[1]
            # a letter read while the hand comes or goes was not meant
            if MIN_SHOWN_S < lasted_s < self._hold_s and self._speed() < FAST_PER_S:
                self._too_short = (self._shown[0], now, lasted_s)
        self._shown = None if letter is None else (letter, now)

    def _find_hint(self, image: Image, prediction: Prediction, now: float) -> Hint:
        edge = _cut_off_at(image, prediction)
        if edge:
            self._left_at = (edge, now)
        light = self._light_hint()
        if prediction.hand is None:
            if light.kind:
                return light
            if self._left_at and now - self._left_at[1] < RECENT_S:
                return Hint("cut", f"The hand left the picture at the {self._left_at[0]}.")
            return self._too_short_hint(now) or Hint("no_hand", "No hand is seen.")
        if self._read and prediction.letter == self._read:
            return NO_HINT
        if edge:
            return Hint("cut", f"The hand is cut off at the {edge}: move it into the picture.")
        if light.kind:
            return light
        if self._blurred and self._speed() > FAST_PER_S:
            return Hint("blurred", "The hand moves too fast to be sharp: hold it still.")
        return self._unsure_hint() or self._too_short_hint(now) or self._hold_hint()

    def _light_hint(self) -> Hint:
        if self._brightness < DARK:
            return Hint("dark", "It is too dark: more light on the hand.")
        if self._brightness > BRIGHT:
            return Hint("bright", "It is too bright: less light on the hand, or none behind it.")
        return NO_HINT

    def _speed(self) -> float:
        """Return the speed of the box's centre over the last frames, in longer sides a second."""
        recent = [p for p in list(self._recent)[-4:] if p.hand is not None]
        if len(recent) < 2 or recent[-1].t <= recent[0].t:
            return 0.0
        boxes = np.array([p.hand.box_xyxy for p in recent if p.hand is not None], np.float32)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        side = float((boxes[:, 2:] - boxes[:, :2]).max(axis=1).mean())
        path = float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())
        return path / max(side, 1.0) / (recent[-1].t - recent[0].t)

    def _unsure_hint(self) -> Hint | None:
        """Name the two most probable letters of the last frames, if neither leads clearly."""
        probabilities = [p.probabilities for p in self._recent if p.hand is not None]
        if len(probabilities) < 3:
            return None
        mean = np.stack(probabilities).mean(axis=0)
        best, second = (int(i) for i in np.argsort(-mean, kind="stable")[:2])
        if mean[best] - mean[second] >= CLEAR_LEAD and mean[best] >= self._min_mean_confidence:
            return None
        return Hint("unsure", f"Not sure between {LETTERS[best]} and {LETTERS[second]}.")

    def _too_short_hint(self, now: float) -> Hint | None:
        if self._too_short is None or now - self._too_short[1] > RECENT_S:
            return None
        letter, _, lasted_s = self._too_short
        return Hint("short", f"{letter} was held too short: {lasted_s:.1f} s of {self._hold_s:g} s.")

    def _hold_hint(self) -> Hint:
        if self._shown is None:  # a hand whose letter is below min_confidence
            return Hint("unsure", "Not sure which letter it is.")
        return Hint("hold", f"Hold it: {self._shown[0]}.")

    def _stabilise(self, hint: Hint, now: float) -> Hint:
        """Show a new kind of hint when it has lasted for STABLE_S, and no hint at once."""
        if hint.kind != self._next.kind:
            self._next_t = now
        self._next = hint
        if hint.kind in ("", self._current.kind) or now - self._next_t >= STABLE_S:
            self._current = hint
        return self._current


def _grey_patch(image: Image, prediction: Prediction) -> Array:
    """Return the grey levels around the hand, or of the whole picture, at a reduced resolution."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (0.0, 0.0, width, height) if prediction.hand is None else prediction.hand.box_xyxy
    left, top = int(min(max(x0, 0), width - 8)), int(min(max(y0, 0), height - 8))
    right, bottom = int(max(min(x1, width), left + 8)), int(max(min(y1, height), top + 8))
    step = max(1, min(right - left, bottom - top) // (2 * SIDE_PX))
    part = image[top:bottom:step, left:right:step]
    return np.asarray(part @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _cut_off_at(image: Image, prediction: Prediction) -> str:
    """Return the edge at which the hand is cut off, or "". The wrist is ignored: arms enter there."""
    if prediction.hand is None or prediction.hand.landmarks is None:
        return ""
    height, width = image.shape[:2]
    landmarks = prediction.hand.landmarks[1:]  # 0 is the wrist
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    allowed = CUT_OFF_FRACTION * float((high - low).max())
    beyond = {
        "left edge": -low[0],
        "right edge": high[0] - width,
        "top": -low[1],
        "bottom": high[1] - height,
    }
    edge, distance = max(beyond.items(), key=lambda item: item[1])
    return edge if distance > allowed else ""
