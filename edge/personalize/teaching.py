"""Teaching, step by step: letters are recorded while they are signed, learned from, kept if that helps.

Half of each letter's recording is held back, its second half in time: neighbouring frames are near-copies,
and every other one held back would flatter.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge.errors import TeachError
from edge.personalize.correction import (
    Belongs,
    Correction,
    Examples,
    TaughtEngine,
    fit,
    forget,
    load,
    save,
    share_right,
)
from edge.records import LETTERS, LoopStep

log = logging.getLogger(__name__)

RECORD_S = 2.0  # of a hand in sight
WAIT_S = 8.0  # for that, before a recording is given up
MOST_A_LETTER = 40  # examples: more of the same moment teach nothing
FEWEST = 4  # of a letter, so that half of them can be held back
NO_FEATURES = "this model gives no features to teach on: export it again with this version of asl-edge"


@dataclass(frozen=True)
class LearnResult:
    """What learning showed on the half that was held back."""

    before: float  # share read right, 0..1
    after: float
    held_back: int  # examples
    taken_for: tuple[
        tuple[str, str], ...
    ]  # a letter, and the one that was not taught as which it is still read

    @property
    def helps(self) -> bool:
        return self.after > self.before

    @property
    def sentence(self) -> str:
        """For the person who taught."""
        what = "it is used from now on" if self.helps else "it does not help, so it is not used"
        return (
            f"{self.before:.0%} right before, {self.after:.0%} after, on {self.held_back} examples "
            f"held back: {what}.{self._hint}"
        )

    @property
    def _hint(self) -> str:
        """Only answers among the taught letters are changed, so what is said instead must be one."""
        pairs = [f"{letter} is still read as {said}: sign {said}, too." for letter, said in self.taken_for]
        return " ".join(["", *pairs])


def learn(examples: Examples, temperature: float) -> tuple[LearnResult, Correction]:
    """Half of each letter is held back to measure; the correction is then made from all of them."""
    back = np.zeros(len(examples.letters), bool)
    for letter in set(examples.letters.tolist()):
        mine = np.flatnonzero(examples.letters == letter)
        back[mine[(len(mine) + 1) // 2 :]] = True
    first, second = examples.some(~back), examples.some(back)
    if not back.any():
        raise TeachError(f"each letter needs at least {FEWEST} examples: sign it for longer")
    trial = fit(first, temperature)
    lesson = LearnResult(
        share_right(second, None), share_right(second, trial), int(back.sum()), _taken_for(examples)
    )
    return lesson, fit(examples, temperature)


def _taken_for(examples: Examples) -> tuple[tuple[str, str], ...]:
    """Letters whose examples the network mostly reads as one that has no examples."""
    pairs = []
    for letter in sorted(set(examples.letters.tolist())):
        said = examples.logits[examples.letters == letter].argmax(axis=1)
        most = int(np.bincount(said).argmax())
        if most not in examples.letters:
            pairs.append((LETTERS[letter], LETTERS[most]))
    return tuple(pairs)


class Teaching:
    """One device's lessons. `turn` and what `wish` asks for run in the loop's thread, learning in its own."""

    def __init__(
        self, engine: TaughtEngine, belongs: Belongs, temperature: float, has_features: bool
    ) -> None:
        self._engine, self.belongs, self._temperature = engine, belongs, temperature
        self.has_features = has_features
        self._kept: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._recording: str | None = None
        self._recorded: list[tuple[np.ndarray, np.ndarray]] = []
        self._began_t = self._seen_s = self._last_t = 0.0
        self._answers = 0
        self.recordings = 0  # that were kept
        self._learning: threading.Thread | None = None
        self.says = "" if has_features else NO_FEATURES.capitalize() + "."

    def restore(self) -> None:
        """Uses what was taught before. TeachError where the file is damaged or another model's."""
        examples = load(self.belongs) if self.has_features else None
        if examples is None:
            return
        for i, letter in enumerate(examples.letters.tolist()):
            self._kept.setdefault(LETTERS[letter], []).append((examples.features[i], examples.logits[i]))
        self._engine.correction = fit(examples, self._temperature)
        self.says = f"In use: {len(examples.letters)} examples of {', '.join(sorted(self._kept))}."

    def wish(self, what: str, ask: Callable[[Callable[[], None]], None]) -> None:
        """A letter to record, `learn` or `forget`; `ask` brings it into the loop's thread."""
        if what in LETTERS and len(what) == 1:
            ask(lambda: self.record(what))
        elif what in ("learn", "forget"):
            ask(self.start_learning if what == "learn" else self.forget)

    def record(self, letter: str) -> None:
        """From the next turn on, until RECORD_S of it were seen: then a letter's old examples are replaced.

        The letter that is being recorded: no more of it, and nothing changes. Another: that one instead.
        """
        if not self.has_features or self._is_busy:
            return
        if self._recording == letter:
            self._recording = None
            self.says = f"{letter}: not recorded, nothing has changed."
            return
        self._recording, self._began_t, self._seen_s = letter, 0.0, 0.0
        self._recorded = []
        self.says = f"Sign {letter}, and keep signing it."

    @property
    def recording(self) -> str | None:
        return self._recording

    def turn(self, step: LoopStep) -> None:
        """Keeps the frame's features where a letter is being recorded and one hand was looked at."""
        answers, self._answers = self._engine.answers - self._answers, self._engine.answers
        frame, prediction, newest = step.frame, step.prediction, self._engine.newest
        if self._recording is None or frame is None or prediction is None:
            return
        if not self._began_t:
            self._began_t = self._last_t = frame.t
        passed_s, self._last_t = frame.t - self._last_t, frame.t
        # one answer: it is the hand's; of a search that looked at several places the last may be another's
        if (
            prediction.hand is not None
            and answers == 1
            and newest is not None
            and newest.features is not None
        ):
            self._seen_s += passed_s
            self._recorded.append((newest.features[0], newest.letters[0]))
        if self._seen_s >= RECORD_S or frame.t - self._began_t > WAIT_S:
            self.end_recording()

    def end_recording(self) -> None:
        """Keeps what was recorded so far, if it is enough; otherwise what was kept before stays."""
        letter, self._recording = self._recording, None
        if letter is None:
            return
        kept = self._recorded
        if len(kept) < FEWEST:
            self.says = f"{letter}: the hand was hardly seen, nothing has changed."
            return
        chosen = np.linspace(0, len(kept) - 1, min(len(kept), MOST_A_LETTER)).round().astype(int)
        self._kept[letter] = [kept[i] for i in chosen]
        self.recordings += 1
        self.says = f"{letter}: {len(chosen)} examples. Another letter, or learn from these."

    def examples(self) -> Examples:
        """All that is kept. TeachError where that is nothing."""
        rows = [(*row, LETTERS.index(letter)) for letter, kept in sorted(self._kept.items()) for row in kept]
        if not rows:
            raise TeachError("nothing was signed yet: record a letter first")
        features, logits, letters = zip(*rows, strict=True)
        return Examples(np.stack(features), np.stack(logits), np.array(letters))

    def learn(self) -> LearnResult:
        """Measured, used and kept if it helps. TeachError where there is too little, or no place for it."""
        examples = self.examples()
        lesson, correction = learn(examples, self._temperature)
        if lesson.helps:
            save(examples, self.belongs)
            self._engine.correction = correction
        return lesson

    def start_learning(self) -> None:
        """`learn` in a thread of its own: the loop goes on."""
        if self._is_busy or self._recording is not None:
            return

        def work() -> None:
            try:
                self.says = self.learn().sentence
            except TeachError as error:
                self.says = str(error)
                log.warning("%s", error)

        self.says = "Learning…"
        self._learning = threading.Thread(target=work, daemon=True, name="teaching")
        self._learning.start()

    def forget(self) -> None:
        """All of it: the file, the correction, what was recorded. Not while it learns from that."""
        if self._is_busy:
            return
        try:
            forget(self.belongs)
        except TeachError as error:
            self.says = str(error)
            return
        self._engine.correction, self._recording = None, None
        self._kept.clear()
        self.says = "Forgotten: it reads as it did before."

    @property
    def _is_busy(self) -> bool:
        return self._learning is not None and self._learning.is_alive()

    def words(self) -> dict[str, object]:
        """For the page; may be asked for in any thread."""
        return {
            "recording": self._recording,
            "left_s": round(max(0.0, RECORD_S - self._seen_s), 1),
            "kept": {letter: len(kept) for letter, kept in list(self._kept.items()) if kept},
            "busy": self._is_busy,
            "says": self.says,
        }
