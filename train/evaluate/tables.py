"""Write an evaluation as JSON, CSV and PNG, and print it as a table."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.errors import DataError, reason_of
from edge.printable import print_line
from edge.records import LETTERS
from train.evaluate.metrics import Metrics, changed_fraction
from train.evaluate.plots import plot_confusion

Evaluation = dict[str, dict[str, Metrics]]  # by variant, then by what training knew of the signers


def write_evaluation(folder: Path, metrics: Evaluation, about: dict[str, str] | None = None) -> None:
    """Write scores.json, per_letter.csv, confusion.csv and a PNG per variant and label.

    Raises DataError if `folder` can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = {**(about or {}), "variants": _build_report(metrics)}
        (folder / "scores.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        _write_confusion(folder / "confusion.csv", metrics)
        _write_letters(folder / "per_letter.csv", metrics)
    except OSError as error:
        raise DataError(f"{folder} can't be written: {reason_of(error)}") from None
    _plot_confusions(folder, metrics)


def _build_report(metrics: Evaluation) -> dict[str, Any]:
    first = next(iter(metrics.values()))
    return {
        variant: {
            label: {
                **one.report(),
                "answers_changed": round(changed_fraction(first[label].predictions, one.predictions), 4),
            }
            for label, one in groups.items()
        }
        for variant, groups in metrics.items()
    }


def _write_confusion(path: Path, metrics: Evaluation) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["variant", "signers", "signed", *LETTERS, "none"])
        for variant, groups in metrics.items():
            for label, one in groups.items():
                for letter, row in zip(LETTERS, one.confusion.tolist(), strict=True):
                    table.writerow([variant, label, letter, *row])


def _write_letters(path: Path, metrics: Evaluation) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["variant", "signers", "letter", "pictures", "recall"])
        for variant, groups in metrics.items():
            for label, one in groups.items():
                for letter, row in zip(LETTERS, one.confusion.tolist(), strict=True):
                    recall = one.recall[letter]
                    table.writerow(
                        [variant, label, letter, sum(row), "" if recall is None else f"{recall:.4f}"]
                    )


def _plot_confusions(folder: Path, metrics: Evaluation) -> None:
    for i, (variant, groups) in enumerate(metrics.items()):
        for j, (label, one) in enumerate(groups.items()):
            if one.accuracy is None:
                continue
            # the first label of the first variant, the one to look at first, has the plain name
            name = "confusion.png" if i == j == 0 else f"confusion.{variant}.{label.replace(' ', '_')}.png"
            title = f"{variant}: {one.accuracy:.1%} of {one.pictures:,} pictures\n"
            plot_confusion(one.confusion, folder / name, f"{title}{label}: {', '.join(one.per_source)}")


def print_table(metrics: Evaluation) -> None:
    """Print the variants side by side, for each label."""
    variants = list(metrics)
    for label in next(iter(metrics.values())):
        columns = [metrics[variant][label] for variant in variants]
        _print_row(f"{label}: {columns[0].pictures:,} pictures", variants)
        for name, key in (
            ("accuracy of the 24 letters that don't move", "accuracy_still"),
            ("accuracy of stills of J and Z", "accuracy_moving"),
            ("accuracy of all 26", "accuracy"),
            ("mean recall of the letters", "mean_recall"),
            ("given any letter", "answered"),
            ("expected calibration error", "calibration_error"),
            ("hand found, IoU at least 0.5", "box_found"),
        ):
            _print_row(f"  {name}", [_format_percent(getattr(one, key)) for one in columns])
        for source in columns[0].per_source:
            accuracies = [_format_percent(one.per_source[source]["accuracy_still"]) for one in columns]
            _print_row(f"  {source}, 24 letters", accuracies)
        for name in columns[0].given_a_letter:
            fractions = [_format_percent(one.given_a_letter[name]["share"]) for one in columns]
            _print_row(f"  '{name}' that was given a letter", fractions)
        for group in columns[0].look_alikes:
            counts = [one.look_alikes[group] for one in columns]
            _print_row(f"  {group} mistaken", [f"{c['mistaken']} of {c['pictures']}" for c in counts])
        for letter in LETTERS:
            _print_row(f"  recall of {letter}", [_format_percent(one.recall[letter]) for one in columns])


def _print_row(name: str, values: Sequence[str]) -> None:
    print_line(f"{name:48}" + "".join(f"{value:>14}" for value in values))


def _format_percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
