"""Recorded examples of letters that a network confuses."""

import numpy as np

from edge.personalize.correction import Examples
from edge.records import LETTERS

N_FEATURES = 32


def make_examples(letters: str, reads: str, seed: int, count: int = 8) -> Examples:
    """Return `count` examples of each letter, around its own direction; the network reads `reads` instead."""
    rng = np.random.default_rng(seed)
    features, logits, truth = [], [], []
    for letter, read in zip(letters, reads, strict=True):
        centre = np.random.default_rng(ord(letter)).normal(size=N_FEATURES)
        for _ in range(count):
            features.append(centre + rng.normal(0, 0.2, N_FEATURES))
            logits.append(3.0 * (np.arange(26) == LETTERS.index(read)) + rng.normal(0, 0.1, 26))
            truth.append(LETTERS.index(letter))
    return Examples(np.array(features, np.float32), np.array(logits, np.float32), np.array(truth))
