"""A teaching session: record letters while they are signed, learn from them, keep the result if it helps."""

import logging
import threading
from collections.abc import Callable

import numpy as np

from edge.errors import TeachError
from edge.personalize.correction import CorrectedEngine, Examples, fit
from edge.personalize.learning import MIN_EXAMPLES, LearnResult, learn
from edge.personalize.taught_file import TaughtFile
from edge.records import LETTERS, LoopStep

log = logging.getLogger(__name__)

RECORD_S = 2.0  # of a visible hand
WAIT_S = 8.0  # for that much, before a recording is given up
MAX_EXAMPLES = 40  # of a letter: more frames of the same seconds teach nothing
NO_FEATURES = "this model has no features to learn from: export it again with this version of asl-edge"


class TeachingSession:
    """Recording runs in the loop's thread, as an observer; learning runs in a thread of its own."""

    def __init__(
        self, engine: CorrectedEngine, file: TaughtFile, temperature: float, has_features: bool
    ) -> None:
        self.file, self.has_features = file, has_features
        self.recordings = 0  # completed so far
        self.message = "" if has_features else NO_FEATURES.capitalize() + "."  # for the person who signs
        self._engine, self._temperature = engine, temperature
        self._kept: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # features and logits by letter
        self._recording: str | None = None
        self._recorded: list[tuple[np.ndarray, np.ndarray]] = []
        self._started_t = self._last_t = self._recorded_s = 0.0
        self._learning: threading.Thread | None = None

    @property
    def recording(self) -> str | None:
        """The letter that is being recorded."""
        return self._recording

    def restore(self) -> None:
        """Use the examples of the file. Raises TeachError if the file is damaged or another model's."""
        examples = self.file.load() if self.has_features else None
        if examples is None:
            return
        for i, letter in enumerate(examples.letters.tolist()):
            self._kept.setdefault(LETTERS[letter], []).append((examples.features[i], examples.logits[i]))
        self._engine.correction = fit(examples, self._temperature)
        self.message = f"In use: {len(examples.letters)} examples of {', '.join(sorted(self._kept))}."

    def request(self, command: str, run_in_loop: Callable[[Callable[[], None]], None]) -> None:
        """Carry out a command of the page: a letter to record, `learn` or `forget`. Ignore any other.

        `run_in_loop` calls a function in the loop's thread.
        """
        if len(command) == 1 and command in LETTERS:
            run_in_loop(lambda: self.record(command))
        elif command == "learn":
            run_in_loop(self.start_learning)
        elif command == "forget":
            run_in_loop(self.forget)

    def record(self, letter: str) -> None:
        """Record a letter from the next step on, for RECORD_S; then replace that letter's old examples.

        The letter that is being recorded already: cancel. Another letter: record that one instead.
        """
        if not self.has_features or self._is_busy:
            return
        if self._recording == letter:
            self._recording = None
            self.message = f"{letter}: not recorded, nothing has changed."
            return
        self._recording, self._started_t, self._recorded_s = letter, 0.0, 0.0
        self._recorded = []
        self.message = f"Sign {letter}, and keep signing it."

    def observe(self, step: LoopStep) -> None:
        """Add the step's features to the recording, if it read one view of the tracked hand."""
        frame, prediction = step.frame, step.prediction
        if self._recording is None or frame is None or prediction is None:
            return
        if not self._started_t:
            self._started_t = self._last_t = frame.t
        passed_s, self._last_t = frame.t - self._last_t, frame.t
        if not step.still and prediction.features is not None and prediction.logits is not None:
            self._recorded_s += passed_s
            self._recorded.append((prediction.features, prediction.logits))
        if self._recorded_s >= RECORD_S or frame.t - self._started_t > WAIT_S:
            self.end_recording()

    def end_recording(self) -> None:
        """Keep the recorded examples if they are enough; otherwise keep the letter's old examples."""
        letter, self._recording = self._recording, None
        if letter is None:
            return
        recorded = self._recorded
        if len(recorded) < MIN_EXAMPLES:
            self.message = f"{letter}: the hand was hardly visible, nothing has changed."
            return
        rows = np.linspace(0, len(recorded) - 1, min(len(recorded), MAX_EXAMPLES)).round().astype(int)
        self._kept[letter] = [recorded[i] for i in rows]
        self.recordings += 1
        self.message = f"{letter}: {len(rows)} examples. Sign another letter, or learn from these."

    def examples(self) -> Examples:
        """Return all examples. Raises TeachError if there are none."""
        rows = [(*row, LETTERS.index(letter)) for letter, kept in sorted(self._kept.items()) for row in kept]
        if not rows:
            raise TeachError("no letter was recorded yet: record one first")
        features, logits, letters = zip(*rows, strict=True)
        return Examples(np.stack(features), np.stack(logits), np.array(letters))

    def learn(self) -> LearnResult:
        """Learn from all examples; use and save the result if it helps.

        Raises TeachError if there are too few examples, or the file can't be written.
        """
        examples = self.examples()
        result, correction = learn(examples, self._temperature)
        if result.helps:
            self.file.save(examples)
            self._engine.correction = correction
        return result

    def start_learning(self) -> None:
        """`learn` in a thread of its own, so that the loop goes on."""
        if self._is_busy or self._recording is not None:
            return

        def work() -> None:
            try:
                self.message = self.learn().sentence
            except TeachError as error:
                self.message = str(error)
                log.warning("%s", error)

        self.message = "Learning…"
        self._learning = threading.Thread(target=work, daemon=True, name="teaching")
        self._learning.start()

    def forget(self) -> None:
        """Delete the file, the correction and all recordings; does nothing while it learns from them."""
        if self._is_busy:
            return
        try:
            self.file.delete()
        except TeachError as error:
            self.message = str(error)
            return
        self._engine.correction, self._recording = None, None
        self._kept.clear()
        self.message = "Forgotten: letters are read as before teaching."

    @property
    def _is_busy(self) -> bool:
        return self._learning is not None and self._learning.is_alive()

    def status(self) -> dict[str, object]:
        """Return what the page shows; may be called in any thread."""
        return {
            "recording": self._recording,
            "left_s": round(max(0.0, RECORD_S - self._recorded_s), 1),
            "kept": {letter: len(kept) for letter, kept in list(self._kept.items()) if kept},
            "busy": self._is_busy,
            "says": self.message,
        }
