"""Compute metrics from the predictions of a model: pure numpy, without the model or its pictures.

A picture in which no hand or no letter was found counts as wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.records import LETTERS, MOVING_LETTERS
from train.evaluate.calibration import Curve, calibration_error, compute_curve

Text = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NONE_COLUMN = len(LETTERS)  # last column of a confusion matrix: no hand or no letter found
LOOK_ALIKES = ("MNST", "AE", "URV", "KP", "GQ", "DZ", "IJ")  # their stills differ by a finger or a rotation
FOUND_IOU = 0.5  # the hand is found if the box overlaps the given one by this much


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a model for N pictures, and their labels."""

    truth: Text  # (N,) A to Z, or nothing, space, del
    predicted: Text  # (N,) A to Z, or empty: no hand or no letter found
    confidence: Floats  # (N,) 0..1
    probabilities: Floats  # (N, 26) at temperature 1
    source: Text  # (N,)
    # (N,) overlap of the found box with the given one, 0 if no hand was found, NaN without a given box
    iou: Floats


@dataclass(frozen=True, eq=False)
class Metrics:
    """Metrics of one model on one set of pictures; fractions are 0..1, None if there is nothing to count.

    The field names are keys in JSON.
    """

    pictures: int  # that show a letter A to Z; every field but `given_a_letter` is about these
    accuracy: float | None
    accuracy_still: float | None  # of the 24 letters that don't move
    accuracy_moving: float | None  # of stills of J and Z
    mean_recall: float | None  # every letter weighs the same
    recall: dict[str, float | None]
    # pictures, accuracy, accuracy_still, accuracy_moving, answered, box_found
    per_source: dict[str, dict[str, float | int | None]]
    calibration_error: float | None  # of the pictures that were given a letter
    confidence_curves: dict[str, Curve]  # by source
    answered: float | None  # fraction that was given any letter, right or wrong
    box_found: float | None  # fraction with IoU >= FOUND_IOU, of those with a given box
    given_a_letter: dict[str, dict[str, float | int]]  # nothing, space, del: pictures, share
    look_alikes: dict[str, dict[str, Any]]
    confusion: Counts  # (26, 27)
    predictions: Predictions

    def report(self) -> dict[str, Any]:
        """Return everything but the predictions for JSON, rounded to 4 digits."""
        left_out = ("confusion", "predictions")
        values = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**_round(values), "confusion": self.confusion.tolist()}


def compute_metrics(predictions: Predictions) -> Metrics:
    """Compute every metric."""
    lettered = np.isin(predictions.truth, LETTERS)
    truth, predicted = predictions.truth[lettered], predictions.predicted[lettered]
    source, iou = predictions.source[lettered], predictions.iou[lettered]
    right, answered, boxed = truth == predicted, predicted != "", np.isfinite(iou)
    moving = np.isin(truth, MOVING_LETTERS)
    index = np.array([LETTERS.index(letter) for letter in truth], np.int64)
    probabilities = predictions.probabilities[lettered]
    confusion = count_confusion(truth, predicted)
    recall = compute_recall(confusion)
    return Metrics(
        pictures=len(truth),
        accuracy=_mean(right),
        accuracy_still=_mean(right[~moving]),
        accuracy_moving=_mean(right[moving]),
        mean_recall=_mean(np.array([value for value in recall.values() if value is not None])),
        recall=recall,
        per_source=_measure_sources(right, moving, answered, iou, source),
        calibration_error=calibration_error(predictions.confidence[lettered][answered], right[answered]),
        confidence_curves={
            name: compute_curve(probabilities[mine], index[mine]) for name, mine in _group(source)
        },
        answered=_mean(answered),
        box_found=_mean(iou[boxed] >= FOUND_IOU),
        given_a_letter=_measure_letterless(predictions.truth[~lettered], predictions.predicted[~lettered]),
        look_alikes=count_look_alikes(confusion),
        confusion=confusion,
        predictions=predictions,
    )


def count_confusion(truth: Text, predicted: Text) -> Counts:
    """Return (26, 27) counts: a row per signed letter, a column per predicted letter."""
    matrix = np.zeros((len(LETTERS), len(LETTERS) + 1), np.int64)
    column = {letter: i for i, letter in enumerate(LETTERS)}
    for signed, letter in zip(truth.tolist(), predicted.tolist(), strict=True):
        matrix[column[signed], column.get(letter, NONE_COLUMN)] += 1
    return matrix


def compute_recall(confusion: Counts) -> dict[str, float | None]:
    """Return the fraction of each letter's pictures that were read right; None without pictures."""
    totals = confusion.sum(axis=1)
    return {
        letter: float(confusion[i, i] / totals[i]) if totals[i] else None for i, letter in enumerate(LETTERS)
    }


def _measure_sources(
    right: Flags, moving: Flags, answered: Flags, iou: Floats, source: Text
) -> dict[str, dict[str, float | int | None]]:
    return {
        name: {
            "pictures": int(mine.sum()),
            "accuracy": _mean(right[mine]),
            "accuracy_still": _mean(right[mine & ~moving]),
            "accuracy_moving": _mean(right[mine & moving]),
            "answered": _mean(answered[mine]),
            "box_found": _mean(iou[mine & np.isfinite(iou)] >= FOUND_IOU),
        }
        for name, mine in _group(source)
    }


def _measure_letterless(truth: Text, predicted: Text) -> dict[str, dict[str, float | int]]:
    """For pictures that show no letter: how many there are of each label, and how many were given one."""
    return {
        name: {
            "pictures": int((truth == name).sum()),
            "share": float((predicted[truth == name] != "").mean()),
        }
        for name in sorted(set(truth.tolist()))
    }


def count_look_alikes(confusion: Counts) -> dict[str, dict[str, Any]]:
    """For each group of LOOK_ALIKES: its pictures, and which letter was mistaken for which."""
    found = {}
    for group in LOOK_ALIKES:
        rows = [LETTERS.index(letter) for letter in group]
        mistaken = {
            f"{LETTERS[i]} as {LETTERS[j]}": int(confusion[i, j])
            for i in rows
            for j in rows
            if i != j and confusion[i, j]
        }
        found["/".join(group)] = {
            "pictures": int(confusion[rows].sum()),
            "mistaken": sum(mistaken.values()),
            "which": mistaken,
        }
    return found


def changed_fraction(one: Predictions, other: Predictions) -> float:
    """Return the fraction of the same N pictures that two models read differently."""
    return float((one.predicted != other.predicted).mean())


def spoilt_fraction(before: Predictions, after: Predictions) -> float:
    """Return the fraction of the pictures read right by `before` that `after` reads wrong; 0 without any."""
    right = before.predicted == before.truth
    return float((after.predicted != after.truth)[right].mean()) if right.any() else 0.0


def _group(source: Text) -> list[tuple[str, Flags]]:
    """Return the name of each source with the (N,) mask of its pictures."""
    return [(name, source == name) for name in sorted(set(source.tolist()))]


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _round(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _round(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
