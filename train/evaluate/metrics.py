"""How good a model is, from what it said of pictures: pure numpy, no model and no pictures here.

A picture on which no hand or no letter was found counts as wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.records import LETTERS
from train.evaluate.calibration import Curve, calibration_error, curve

Text = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

NOTHING_SAID = len(LETTERS)  # the last column of a confusion matrix: no hand, or no letter
LOOK_ALIKES = ("MNST", "AE", "URV", "KP", "GQ", "DZ", "IJ")  # stills of these differ by a finger or a turn
FOUND_IOU = 0.5  # a box that overlaps the given one by this much has found the hand


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said of N pictures, and what was right."""

    truth: Text  # (N,) A to Z, or nothing, space, del
    said: Text  # (N,) A to Z, or empty: no hand or no letter
    confidence: Floats  # (N,) 0..1
    shares: Floats  # (N, 26) of the letters, before any temperature
    source: Text  # (N,)
    iou: (
        Floats  # (N,) of the found box with the given one, 0 where no hand was found, NaN without a given box
    )


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of one model on one set of pictures; shares are 0..1, None where there is nothing to count."""

    pictures: int  # that show a letter A to Z; all but `given_a_letter` is about these
    accuracy: float | None
    mean_recall: float | None  # every letter weighs the same
    recall: dict[str, float | None]
    per_source: dict[str, dict[str, float | int | None]]  # pictures, accuracy, answered, box_found
    calibration_error: float | None  # of the pictures that were given a letter
    confidence_curves: dict[str, Curve]  # by source
    answered: float | None  # share that was given any letter, right or wrong
    box_found: float | None  # share with IoU >= FOUND_IOU, where the box is known
    given_a_letter: dict[str, dict[str, float | int]]  # nothing, space, del: pictures, share
    look_alikes: dict[str, dict[str, Any]]
    confusion: Counts  # (26, 27)
    answers: Answers

    def report(self) -> dict[str, Any]:
        """For JSON: everything but the answers themselves, rounded to 4 digits."""
        figures = {name: value for name, value in vars(self).items() if name not in ("confusion", "answers")}
        return {**_rounded(figures), "confusion": self.confusion.tolist()}


def score(answers: Answers) -> Scores:
    """Answers -> every figure."""
    lettered = np.isin(answers.truth, LETTERS)
    truth, said = answers.truth[lettered], answers.said[lettered]
    right, claimed, iou = truth == said, said != "", answers.iou[lettered]
    boxed = np.isfinite(iou)
    confusion = confusion_matrix(truth, said)
    recall = recall_of(confusion)
    return Scores(
        pictures=len(truth),
        accuracy=_mean(right),
        mean_recall=_mean(np.array([value for value in recall.values() if value is not None])),
        recall=recall,
        per_source=per_source(right, claimed, iou, answers.source[lettered]),
        calibration_error=calibration_error(answers.confidence[lettered][claimed], right[claimed]),
        confidence_curves={
            name: curve(answers.shares[lettered][its], np.array([LETTERS.index(one) for one in truth[its]]))
            for name, its in _of_each(answers.source[lettered])
        },
        answered=_mean(claimed),
        box_found=_mean(iou[boxed] >= FOUND_IOU),
        given_a_letter=given_a_letter(answers.truth[~lettered], answers.said[~lettered]),
        look_alikes=look_alikes(confusion),
        confusion=confusion,
        answers=answers,
    )


def confusion_matrix(truth: Text, said: Text) -> Counts:
    """(N,) letters -> (26, 27) counts: a row a letter that was signed, a column a letter that was said."""
    matrix = np.zeros((len(LETTERS), len(LETTERS) + 1), np.int64)
    column = {letter: i for i, letter in enumerate(LETTERS)}
    for signed, answer in zip(truth.tolist(), said.tolist(), strict=True):
        matrix[column[signed], column.get(answer, NOTHING_SAID)] += 1
    return matrix


def recall_of(confusion: Counts) -> dict[str, float | None]:
    """(26, 27) -> share of each letter's pictures that were read right; None without pictures."""
    totals = confusion.sum(axis=1)
    return {
        letter: float(confusion[i, i] / totals[i]) if totals[i] else None for i, letter in enumerate(LETTERS)
    }


def per_source(
    right: npt.NDArray[np.bool_], claimed: npt.NDArray[np.bool_], iou: Floats, source: Text
) -> dict[str, dict[str, float | int | None]]:
    """(N,) read right, given a letter, the boxes' overlap, sources -> pictures and shares of each source."""
    return {
        name: {
            "pictures": int(its.sum()),
            "accuracy": _mean(right[its]),
            "answered": _mean(claimed[its]),
            "box_found": _mean(iou[its & np.isfinite(iou)] >= FOUND_IOU),
        }
        for name, its in _of_each(source)
    }


def given_a_letter(truth: Text, said: Text) -> dict[str, dict[str, float | int]]:
    """Pictures that show no letter -> how many there are of each label, and the share that was given one."""
    return {
        name: {"pictures": int((truth == name).sum()), "share": float((said[truth == name] != "").mean())}
        for name in sorted(set(truth.tolist()))
    }


def look_alikes(confusion: Counts) -> dict[str, dict[str, Any]]:
    """(26, 27) -> for each group of letters that look alike: its pictures, and which was taken for which."""
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


def changed_share(one: Answers, other: Answers) -> float:
    """Share of the same N pictures that two models answer differently, also where one says nothing."""
    return float((one.said != other.said).mean())


def spoilt_share(before: Answers, after: Answers) -> float:
    """Of the N pictures whose letter `before` says right, the share that `after` does not; 0 without any."""
    right = before.said == before.truth
    return float((after.said != after.truth)[right].mean()) if right.any() else 0.0


def _of_each(source: Text) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """(N,) sources -> each by name, with the (N,) mask of its own."""
    return [(name, source == name) for name in sorted(set(source.tolist()))]


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
