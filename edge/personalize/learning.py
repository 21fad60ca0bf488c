"""Learn a correction from recorded examples, and measure whether it helps.

To measure, the later half of each letter's recording is held back. Neighbouring frames are nearly identical,
so holding back every other frame would overestimate the accuracy.
"""

from dataclasses import dataclass

import numpy as np

from edge.errors import TeachError
from edge.personalize.correction import Correction, Examples, fit, measure_accuracy
from edge.records import LETTERS

MIN_EXAMPLES = 4  # of a letter, so that half of them can be held back


@dataclass(frozen=True)
class LearnResult:
    """Accuracy on the held-back examples."""

    before: float  # fraction read right, 0..1
    after: float
    held_back: int  # examples
    mistaken: tuple[tuple[str, str], ...]  # a recorded letter, and the unrecorded letter that is read instead

    @property
    def helps(self) -> bool:
        """Whether more letters are read right than before."""
        return self.after > self.before

    @property
    def sentence(self) -> str:
        """The result for the person who signed."""
        outcome = (
            "the correction is used from now on"
            if self.helps
            else "the correction does not help, so it is not used"
        )
        # only views read as a recorded letter are corrected, so the mistaken letter must be recorded as well
        advice = [f"{letter} is still read as {read}: sign {read}, too." for letter, read in self.mistaken]
        result = (
            f"{self.before:.0%} right before, {self.after:.0%} after, on {self.held_back} examples held back"
        )
        return " ".join([f"{result}: {outcome}.", *advice])


def learn(examples: Examples, temperature: float) -> tuple[LearnResult, Correction]:
    """Measure a correction learned from half of the examples; return that result and a correction from all.

    Raises TeachError if there are too few examples.
    """
    held_back = np.zeros(len(examples.letters), bool)
    for letter in set(examples.letters.tolist()):
        rows = np.flatnonzero(examples.letters == letter)
        held_back[rows[(len(rows) + 1) // 2 :]] = True
    if not held_back.any():
        raise TeachError(f"each letter needs at least {MIN_EXAMPLES} examples: sign it for longer")
    trial = fit(examples.select(~held_back), temperature)
    measured = examples.select(held_back)
    result = LearnResult(
        measure_accuracy(measured, None),
        measure_accuracy(measured, trial),
        int(held_back.sum()),
        _find_mistaken(examples),
    )
    return result, fit(examples, temperature)


def _find_mistaken(examples: Examples) -> tuple[tuple[str, str], ...]:
    """Return the letters that the network mostly reads as a letter without examples."""
    pairs = []
    for letter in sorted(set(examples.letters.tolist())):
        read = examples.logits[examples.letters == letter].argmax(axis=1)
        most_often = int(np.bincount(read).argmax())
        if most_often not in examples.letters:
            pairs.append((LETTERS[letter], LETTERS[most_often]))
    return tuple(pairs)
