"""The correction that a device learns from its signer's own letters. The network stays as it is.

A new view's features (the package's output `features`) are compared with the features of the recorded
examples. The errors of similar examples' letter probabilities are added to the view's letter logits: a
kernel ridge regression. Only views that the network reads as one of the recorded letters are corrected, so
that every other letter is read as before.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.logits import softmax
from edge.models import DEFAULT_PROVIDER
from edge.records import LETTERS, Array, Engine, Output

# Similarity is the cosine to the power of POWER, so that only close examples count; RIDGE and GAIN regularise
# and amplify the regression. See docs/experiments.md, "Learning a signer's letters".
POWER, RIDGE, GAIN = 8, 0.1, 8.0


@dataclass(frozen=True, eq=False)
class Examples:
    """Recorded views of a signer's letters."""

    features: Array  # (N, F)
    logits: Array  # (N, 26), of the network without a correction
    letters: Array  # (N,) 0 to 25, the signed letters

    def select(self, rows: Array) -> "Examples":
        """Return the examples at these indices, or where this mask is True."""
        return Examples(self.features[rows], self.logits[rows], self.letters[rows])


@dataclass(frozen=True, eq=False)
class Correction:
    """A correction of the letter logits."""

    directions: Array  # (N, F) the examples' features, scaled to length 1
    parts: Array  # (N, 26) added to a similar view, by example
    is_taught: npt.NDArray[np.bool_]  # (26,)

    def __call__(self, features: Array, logits: Array) -> Array:
        """(M, F) and (M, 26) -> (M, 26) to add to the logits; 0 if the best letter was not taught."""
        added = _similarity(_scale_to_unit_length(features), self.directions) @ self.parts
        return np.asarray(added * self.is_taught[logits.argmax(axis=1)][:, None], np.float32)


def fit(examples: Examples, temperature: float) -> Correction:
    """Learn a correction from at least one example."""
    directions = _scale_to_unit_length(examples.features)
    errors = np.eye(len(LETTERS))[examples.letters] - softmax(examples.logits / temperature)
    similarity = _similarity(directions, directions) + RIDGE * np.eye(len(directions))
    parts = GAIN * temperature * np.linalg.solve(similarity, errors)
    is_taught = np.isin(np.arange(len(LETTERS)), examples.letters)
    return Correction(directions, parts.astype(np.float32), is_taught)


def measure_accuracy(examples: Examples, correction: Correction | None) -> float:
    """Return the fraction of examples whose letter is read right, 0..1."""
    logits = examples.logits
    if correction is not None:
        logits = logits + correction(examples.features, logits)
    return float((logits.argmax(axis=1) == examples.letters).mean())


class CorrectedEngine:
    """An engine with a correction applied to its letter logits."""

    def __init__(
        self, engine: Engine, correction: Correction | None = None, ran_on: str = DEFAULT_PROVIDER
    ) -> None:
        self.correction = correction  # any thread may replace it, with one assignment
        self.ran_on = ran_on  # as in LoadedEngine
        self._engine = engine

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        output = self._engine(tensor, upright)
        correction = self.correction
        if correction is None or output.features is None:
            return output
        letters = output.letters + correction(output.features, output.letters)
        return Output(letters, output.presence, output.landmarks, output.features, output.letters)


def _scale_to_unit_length(features: Array) -> Array:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-6), np.float32)


def _similarity(some: Array, others: Array) -> Array:
    """(M, F) and (N, F) of length 1 -> (M, N), 0..1."""
    return np.asarray(np.maximum(some @ others.T, 0) ** POWER)
