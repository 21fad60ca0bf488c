"""What a crop is labelled with, and how often each label is drawn."""

import numpy as np

from edge.records import LETTERS
from train.data.prepared import Prepared

NO_LETTER = -1  # no hand, or an unknown letter: the letter loss is masked
OTHER_SIGN = -2  # a hand that signs no letter (`space`, `del`): all letters should be equally unlikely


def balance(prepared: Prepared, rows: np.ndarray) -> np.ndarray:
    """Return the (N,) probability of drawing each row.

    Letters are equally probable. Within a letter a source counts by the square root of its pictures, so
    that a large source does not drown the small ones.
    """
    keys = np.char.add(np.char.add(prepared.letter[rows], "\t"), prepared.source[rows])
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    per_picture = 1 / np.sqrt(sizes[group])
    _, letter = np.unique(prepared.letter[rows], return_inverse=True)
    totals = np.bincount(letter, weights=per_picture)
    probabilities = per_picture / totals[letter]
    return np.asarray(probabilities / probabilities.sum())


def letter_index(letter: str) -> int:
    """Return 0..25 for 'A'..'Z', NO_LETTER for 'nothing', OTHER_SIGN for 'space' and 'del'."""
    if letter in LETTERS:
        return LETTERS.index(letter)
    return NO_LETTER if letter == "nothing" else OTHER_SIGN
