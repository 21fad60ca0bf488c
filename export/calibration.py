"""Choose the pictures that calibrate the int8 network and the pictures that judge it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.preprocess import crop_square, to_tensor, whole_square
from edge.records import LETTERS, Array
from train.data.prepared import Prepared, Rows, spread
from train.fit.dataset import plain_crop

# Two crops of each; see docs/experiments.md, "Quantisation".
CALIBRATION_PICTURES = 128
TRIAL_PICTURES = 400


def choose_calibration_rows(
    prepared: Prepared, training: dict[str, Any], pictures: int = CALIBRATION_PICTURES
) -> Rows:
    """Choose pictures of the train split, of sources that the checkpoint was trained on.

    Raises DataError if there are none.
    """
    rows = prepared.rows(splits=["train"]) if "train" in prepared.split else np.zeros(0, np.int64)
    if training.get("sources"):  # a network trained on synthetic hands only has none
        rows = rows[np.isin(prepared.source[rows], training["sources"])]
    if len(rows) == 0:
        raise DataError(
            f"{prepared.folder} has no picture of the train split that the checkpoint was trained on, and "
            "int8 needs some to calibrate: name the folder that fit read with --data"
        )
    # Of a small data set half, because pictures used for calibration can't judge.
    return spread(prepared, rows, min(pictures, (len(rows) + 1) // 2))


def choose_trial_rows(prepared: Prepared, training: dict[str, Any], calibrated_on: Rows) -> Rows:
    """Choose pictures with a letter to compare recipes on, of unseen sources if there are any.

    None of them is of the test split, which nothing may be tuned on, or was used for calibration. Raises
    DataError if there are none.
    """
    lettered = np.isin(prepared.letter, LETTERS) & (prepared.split != "test")
    lettered[calibrated_on] = False
    unseen = lettered & ~np.isin(prepared.source, training.get("sources", []))
    rows = np.flatnonzero(unseen if unseen.any() else lettered)
    if len(rows) == 0:
        raise DataError(
            f"{prepared.folder} needs at least two pictures per letter, one of them to judge int8"
        )
    return spread(prepared, rows, TRIAL_PICTURES)


def load_both_views(prepared: Prepared, rows: Rows, size_px: int) -> list[Array]:
    """Return the tensors (1, 3, S, S) that a device reads: the whole picture, then the hand's square."""
    tensors = []
    for row in rows.tolist():
        image = prepared.picture(row)
        tensors.append(to_tensor(crop_square(image, whole_square(image), size_px)))
        tensors.append(to_tensor(plain_crop(prepared, row, size_px)))
    return tensors


def load_hand_views(prepared: Prepared, rows: Rows, size_px: int) -> list[Array]:
    """Return the tensors (1, 3, S, S) of the hands' squares."""
    return [to_tensor(plain_crop(prepared, row, size_px)) for row in rows.tolist()]


def letter_indices(prepared: Prepared, rows: Sequence[int] | Rows) -> np.ndarray:
    """Return (N,) 0..25 for pictures with a letter."""
    return np.array([LETTERS.index(letter) for letter in prepared.letter[rows].tolist()])
