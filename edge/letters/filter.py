"""Predictions over time -> letter events. Its only clock is the predictions' own times."""

from collections import deque

from edge.records import LetterEvent, Prediction
from edge.settings import Settings

# A letter counts if MIN_FRAMES and more than AGREEING_FRACTION of all frames agree: Frigate's rule, which its
# users trust, but with "more than" instead of "at least", because A B A B A is a hand between two letters.
MIN_FRAMES = 3
AGREEING_FRACTION = 0.6
# A letter that was sent counts as released when this few frames show it. It is far below AGREEING_FRACTION,
# so that a classifier that is right two times in three does not send a held letter repeatedly.
RELEASED_FRACTION = 0.2
MAX_GAP_S = 2.0  # without a prediction; earlier predictions are then forgotten
MAX_TEXT = 1000  # characters kept: a device runs for months
ROUNDING_S = 1e-6  # tolerance for rounding: a long uptime must not cost a hold one more frame
DEFAULTS = Settings()


class LetterFilter:
    """Send a letter once when it was held, and again only after the hand released it.

    A letter counts if it begins and ends the last `hold_s` seconds and is more than 60 % of them. The same
    letter counts again after `release_s` seconds of something else: no hand, another shape, an unsure frame,
    or another letter's event. Time without predictions, as when a camera stalls, releases nothing. If no hand
    is visible for `space_s` seconds, a space precedes the next letter; 0 means no spaces. The text never
    begins or ends with a space of its own.
    """

    def __init__(
        self,
        hold_s: float = DEFAULTS.hold_s,
        release_s: float = DEFAULTS.release_s,
        space_s: float = DEFAULTS.space_s,
        min_mean_confidence: float = DEFAULTS.min_mean_confidence,
    ) -> None:
        self._hold_s, self._release_s, self._space_s = hold_s, release_s, space_s
        self._min_mean_confidence = min_mean_confidence
        self._recent: deque[Prediction] = deque()
        self._held: str | None = None  # the letter sent last, while the hand still shows it
        self._no_hand_since: float | None = None
        self._space_due = False
        self._text = ""

    @property
    def text(self) -> str:
        """Everything read so far, with all edits."""
        return self._text

    def edit(self, command: str) -> None:
        """Edit the text: space, delete or clear. Raises ValueError for any other command."""
        if command == "space":
            self._text = (self._text.rstrip() + " ").lstrip()
        elif command == "delete":
            self._text = self._text[:-1]
        elif command == "clear":
            self._text = ""
        else:
            raise ValueError(f"expected space, delete or clear, got '{command}'")
        self._space_due = False

    def update(self, prediction: Prediction) -> LetterEvent | None:
        """Return the event that the next prediction completes, or None.

        A prediction with the time of the previous one is ignored. One with an earlier time resets everything
        but the text.
        """
        if self._recent:
            passed_s = prediction.t - self._recent[-1].t
            if passed_s == 0:
                return None
            if not 0 < passed_s <= MAX_GAP_S:
                self._recent.clear()
                self._no_hand_since = None
        self._recent.append(prediction)
        self._watch_for_space(prediction)
        self._release()
        event = self._complete(prediction)
        self._drop_old()
        return event

    def _watch_for_space(self, now: Prediction) -> None:
        if now.hand is not None:
            self._no_hand_since = None
            return
        if self._no_hand_since is None:
            self._no_hand_since = now.t
        if self._space_s and now.t - self._no_hand_since >= self._space_s:
            self._space_due = True

    def _release(self) -> None:
        last = self._last(self._release_s)
        if not self._held or not last:
            return
        if sum(p.letter == self._held for p in last) < RELEASED_FRACTION * len(last):
            self._held = None
            self._recent = deque(last)  # frames before the release do not count towards the next letter

    def _complete(self, now: Prediction) -> LetterEvent | None:
        if now.letter is None or now.letter == self._held:
            return None
        last = self._last(self._hold_s)
        agreeing = [p for p in last if p.letter == now.letter]
        enough = len(agreeing) >= MIN_FRAMES and len(agreeing) > AGREEING_FRACTION * len(last)
        if not enough or last[0].letter != now.letter:
            return None
        confidence = sum(p.confidence for p in agreeing) / len(agreeing)
        if confidence < self._min_mean_confidence:
            return None
        self._held = now.letter
        self._recent = deque([now])  # each frame counts for one event
        space = " " if self._space_due and self._text and not self._text.endswith(" ") else ""
        self._space_due = False
        self._text = (self._text + space + now.letter)[-MAX_TEXT:].lstrip()
        return LetterEvent(now.letter, confidence, agreeing[0].t, now.t, self._text)

    def _last(self, span_s: float) -> list[Prediction]:
        """Return the fewest latest predictions, at least MIN_FRAMES, that span `span_s`, or []."""
        now = self._recent[-1].t
        tail: list[Prediction] = []
        for prediction in reversed(self._recent):
            tail.append(prediction)
            if len(tail) >= MIN_FRAMES and now - prediction.t >= span_s - ROUNDING_S:
                return tail[::-1]
        return []

    def _drop_old(self) -> None:
        needed = self._last(max(self._hold_s, self._release_s))
        if needed:
            self._recent = deque(needed)
