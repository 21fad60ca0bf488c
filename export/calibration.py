"""Which pictures set the scales of the int8 network, and which ones judge them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.preprocess import crop_square, to_tensor, whole_square
from edge.records import LETTERS, Array
from train.data.prepared import Prepared, Rows
from train.fit.dataset import plain_crop

CALIBRATION_PICTURES = 128  # two crops of each; with 64, half a point more of unseen letters changed
TRIAL_PICTURES = 400


def calibration_rows(
    prepared: Prepared, training: dict[str, Any], pictures: int = CALIBRATION_PICTURES
) -> Rows:
    """Pictures of the training role, of sources that the checkpoint was trained on, and of no others."""
    rows = prepared.rows(roles=["train"]) if "train" in prepared.role else np.zeros(0, np.int64)
    if training.get("sources"):  # a network of drawn hands alone has none
        rows = rows[np.isin(prepared.source[rows], training["sources"])]
    if len(rows) == 0:
        raise DataError(
            f"{prepared.folder} has no picture of the training role that the checkpoint was trained on: "
            "int8 needs some to calibrate on; name with --data the folder that fit read"
        )
    # Of a small data set half: what was calibrated on can't judge.
    return spread(prepared, rows, min(pictures, (len(rows) + 1) // 2))


def trial_rows(prepared: Prepared, training: dict[str, Any], calibrated_on: Rows) -> Rows:
    """Pictures with a letter to choose a recipe on: of sources never trained on if there are any, never of
    the test role (it would be tuned on), never one that was calibrated on."""
    lettered = np.isin(prepared.letter, LETTERS) & (prepared.role != "test")
    lettered[calibrated_on] = False
    unseen = lettered & ~np.isin(prepared.source, training.get("sources", []))
    rows = np.flatnonzero(unseen if unseen.any() else lettered)
    if len(rows) == 0:
        raise DataError(
            f"{prepared.folder} has no pictures left to judge int8 on: at least two a letter are wanted"
        )
    return spread(prepared, rows, TRIAL_PICTURES)


def spread(prepared: Prepared, rows: Rows, count: int) -> Rows:
    """At most `count` of `rows`, taken in turn from each letter of each source; the same ones every time."""
    group = np.char.add(np.char.add(prepared.letter[rows], "\t"), prepared.source[rows])
    shuffled = np.random.default_rng(0).permutation(len(rows))
    turn = np.zeros(len(rows), np.int64)  # 0 for the first picture of its group, 1 for the second ...
    taken: dict[str, int] = {}
    for i in shuffled:
        turn[i] = taken.get(group[i], 0)
        taken[group[i]] = int(turn[i]) + 1
    order = shuffled[np.argsort(turn[shuffled], kind="stable")]
    return np.sort(rows[order[:count]])


def both_looks(prepared: Prepared, rows: Rows, size_px: int) -> list[Array]:
    """The tensors (1, 3, S, S) that a device reads of these pictures: the whole, then the hand's square."""
    tensors = []
    for row in rows.tolist():
        image = prepared.picture(row)
        tensors.append(to_tensor(crop_square(image, whole_square(image), size_px)))
        tensors.append(to_tensor(plain_crop(prepared, row, size_px)))
    return tensors


def hand_looks(prepared: Prepared, rows: Rows, size_px: int) -> list[Array]:
    """The tensors (1, 3, S, S) of the hands' squares."""
    return [to_tensor(plain_crop(prepared, row, size_px)) for row in rows.tolist()]


def letter_indices(prepared: Prepared, rows: Sequence[int] | Rows) -> np.ndarray:
    """(N,) 0..25 of pictures with a letter."""
    return np.array([LETTERS.index(letter) for letter in prepared.letter[rows].tolist()])
