"""Predictions over time -> letter events. Pure: the only clock is the predictions' own."""

from collections import deque

from edge.records import LetterEvent, Prediction

# Frigate's rule, which its users trust: at least 3 frames, and 60 % of all, must agree. More than 60 % here:
# A B A B A is a hand between two letters.
MIN_FRAMES = 3
SHARE = 0.6
# Once sent, a letter counts as gone when it is this rare; far below SHARE, so that a classifier that is right
# two times in three does not send a held letter again and again.
GONE_SHARE = 0.2
# Mean confidence of an event. Of pictures of six unseen sources 0.4 leaves 86 % read right and 11 % wrong,
# 0.6 leaves 84 and 7, 0.7 leaves 81 and 5; of one source's hands that sign no letter (`nothing`, many with a
# hand; `space`; `del`) 49, 96 and 83 % give one at 0.4, 28, 51 and 65 % at 0.6 (benchmarks/sure.py).
SURE_ENOUGH = 0.6
STALL_S = 2.0  # nothing for longer than this: the frames before it say nothing about now
MAX_TEXT = 1000  # characters kept: a device runs for months


class LetterFilter:
    """Sends a letter once it was held, and again only after the hand let go of it.

    A letter counts when it begins and ends the last `hold_s` seconds and is more than 60 % of them.
    The same letter counts again after `gap_s` seconds of something else: no hand, another shape, an unsure
    reading, or another letter's event. A stalled camera is no gap, because nobody saw one.
    No hand for `space_s` seconds puts one space before the next letter, never at an end of the text;
    0 means no spaces.
    """

    def __init__(
        self,
        hold_s: float = 0.5,
        gap_s: float = 0.25,
        space_s: float = 1.5,
        min_mean_confidence: float = SURE_ENOUGH,
    ) -> None:
        self._hold_s, self._gap_s, self._space_s = hold_s, gap_s, space_s
        self._min_mean_confidence = min_mean_confidence
        self._recent: deque[Prediction] = deque()
        self._held: str | None = None  # the letter sent last, while the hand still shows it
        self._no_hand_since: float | None = None
        self._space_due = False
        self._text = ""

    @property
    def text(self) -> str:
        """Everything read so far, as it was edited since."""
        return self._text

    def edit(self, what: str) -> None:
        """A space, delete or clear that somebody asked for; anything else is a ValueError."""
        if what == "space":
            self._text = (self._text.rstrip() + " ").lstrip()
        elif what == "delete":
            self._text = self._text[:-1]
        elif what == "clear":
            self._text = ""
        else:
            raise ValueError(f"got '{what}'; wanted space, delete or clear")
        self._space_due = False

    def update(self, prediction: Prediction) -> LetterEvent | None:
        """The next prediction -> the event that it completes, or None.

        One of the same time as the last is ignored; one from before it starts afresh, with the text kept.
        """
        if self._recent:
            passed_s = prediction.t - self._recent[-1].t
            if passed_s == 0:
                return None
            if not 0 < passed_s <= STALL_S:
                self._recent.clear()
                self._no_hand_since = None
        self._recent.append(prediction)
        self._note_absence(prediction)
        self._let_go()
        event = self._settle(prediction)
        self._forget()
        return event

    def _note_absence(self, now: Prediction) -> None:
        if now.hand is not None:
            self._no_hand_since = None
            return
        if self._no_hand_since is None:
            self._no_hand_since = now.t
        if self._space_s and now.t - self._no_hand_since >= self._space_s:
            self._space_due = True

    def _let_go(self) -> None:
        gap = self._last(self._gap_s)
        if self._held and gap and sum(p.letter == self._held for p in gap) < GONE_SHARE * len(gap):
            self._held = None
            self._recent = deque(gap)  # what was held before the gap does not count towards the next hold

    def _settle(self, now: Prediction) -> LetterEvent | None:
        if now.letter is None or now.letter == self._held:
            return None
        hold = self._last(self._hold_s)
        agreeing = [p for p in hold if p.letter == now.letter]
        enough = len(agreeing) >= MIN_FRAMES and len(agreeing) > SHARE * len(hold)
        if not enough or hold[0].letter != now.letter:
            return None
        confidence = sum(p.confidence for p in agreeing) / len(agreeing)
        if confidence < self._min_mean_confidence:
            return None
        self._held = now.letter
        self._recent = deque([now])  # each frame speaks for one event
        space = " " if self._space_due and self._text and not self._text.endswith(" ") else ""
        self._space_due = False
        self._text = (self._text + space + now.letter)[-MAX_TEXT:].lstrip()
        return LetterEvent(now.letter, confidence, agreeing[0].t, now.t, self._text)

    def _last(self, span_s: float) -> list[Prediction]:
        """The fewest latest predictions, MIN_FRAMES or more, that span `span_s`; [] while there are none."""
        now = self._recent[-1].t
        tail: list[Prediction] = []
        for prediction in reversed(self._recent):
            tail.append(prediction)
            if len(tail) >= MIN_FRAMES and now - prediction.t >= span_s:
                return tail[::-1]
        return []

    def _forget(self) -> None:
        needed = self._last(max(self._hold_s, self._gap_s))
        if needed:
            self._recent = deque(needed)
