"""`python -m train evaluate`: how good a package or a checkpoint is, read as the device reads it.

Every picture goes whole through `edge.hand.reader.HandReader`, the path of `asl-edge predict`. Each figure is
labelled by whether training saw the signer: only figures of unseen signers say what a user will get.
"""

import argparse
import csv
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.engines import open_engine
from edge.errors import DataError, reason_of
from edge.geometry import box_iou
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.package import Package, open_package
from edge.records import LETTERS, Engine
from train.command_line import names
from train.data.prepared import ROLES, Prepared, Rows, open_prepared
from train.evaluate.calibration import shares_at
from train.evaluate.metrics import Answers, Scores, changed_share, score
from train.plots import plot_confusion, plot_history

UNSEEN, CHOSE, SEEN = "unseen signers", "unseen signers that chose the epoch", "seen signers"
UNKNOWN = "signers that may have been seen"
CHECKPOINT = "checkpoint"  # the one variant that a file of fit has


@dataclass(frozen=True, eq=False)
class Model:
    """One variant of what is evaluated."""

    variant: str
    engine: Engine
    package: Package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `python -m train evaluate`."""
    add = parser.add_argument
    add("model", type=Path, metavar="PACKAGE_OR_CHECKPOINT", help="deployment package, or a .pt file of fit")
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add("--sources", type=names, metavar="A,B", help="these alone; otherwise all that training did not see")
    add("--roles", type=names, metavar="ROLE,ROLE", help=f"pictures of these roles alone: {', '.join(ROLES)}")
    add("--variants", type=names, metavar="A,B", help="of a package; otherwise each ONNX variant it has")
    add("--threads", type=int, default=os.cpu_count() or 1, help="pictures read at a time")
    add("--output", type=Path, default=Path("evaluation"), help="folder for tables and plots")


def main(args: argparse.Namespace) -> int:
    """Reads, prints the table, writes the folder."""
    prepared = open_prepared(args.data)
    models, history = open_models(args.model, args.variants)
    training = models[0].package.metadata.get("training", {})
    groups = group_rows(prepared, training, args.sources, args.roles)
    scores = {
        model.variant: {
            label: evaluate_engine(model.engine, model.package, prepared, rows, args.threads)
            for label, rows in groups.items()
        }
        for model in models
    }
    write_evaluation(args.output, scores, {"model": str(args.model), "data": str(args.data)})
    if history:
        plot_history(history, args.output / "history.png", f"learning curves of {args.model}")
    _print_table(scores)
    print(f"wrote {args.output}")
    return 0


def open_models(
    path: Path, variants: Sequence[str] | None = None
) -> tuple[list[Model], list[dict[str, Any]]]:
    """A package's folder or a file of fit -> its variants, and the history that a file of fit holds."""
    if path.suffix == ".pt":
        from train.fit.checkpoint import load_checkpoint  # only here: evaluating a package needs no torch
        from train.model.network import torch_engine

        checkpoint = load_checkpoint(path)
        package = Package(
            folder=path.parent,
            size_px=checkpoint.size_px,
            temperature=checkpoint.temperature,
            presence_threshold=checkpoint.presence_threshold,
            files={CHECKPOINT: path},
            metadata={"training": checkpoint.training},
            reads_upright=True,
        )
        return [Model(CHECKPOINT, torch_engine(checkpoint.model), package)], checkpoint.history
    package = open_package(path)
    chosen = variants or [name for name, file in package.files.items() if file.suffix == ".onnx"]
    return [Model(variant, open_engine(package, variant), package) for variant in chosen], []


def seen_label(source: str, training: dict[str, Any]) -> str:
    """What training knew of a source; `training` is what fit wrote and the package's metadata repeats."""
    if "sources" not in training:
        return UNKNOWN
    if source in training["sources"]:
        return SEEN
    # These chose the best epoch and the temperature, so that their figures are a little too good.
    return CHOSE if source in training.get("validated_on", []) else UNSEEN


def group_rows(
    prepared: Prepared,
    training: dict[str, Any],
    sources: Sequence[str] | None = None,
    roles: Sequence[str] | None = None,
) -> dict[str, Rows]:
    """The rows to evaluate by label, the most honest first.

    Without `sources` and `roles`: those that training did not see; where it saw all signers, the pictures
    that it held back, if it did, or everything.
    """
    rows = prepared.rows(sources, roles)
    if len(rows) == 0:
        raise DataError(f"{prepared.folder} has no picture of these sources and roles: choose others")
    labels = np.array([seen_label(str(name), training) for name in prepared.source[rows]])
    groups = {label: rows[labels == label] for label in (UNSEEN, CHOSE, UNKNOWN, SEEN)}
    groups = {label: some for label, some in groups.items() if len(some)}
    if sources is not None or roles is not None:
        return groups
    if len(groups) > 1:
        groups.pop(SEEN, None)
    elif SEEN in groups and training.get("options", {}).get("by_role"):
        held_back = rows[prepared.role[rows] != "train"]
        groups[SEEN] = held_back if len(held_back) else rows
    return groups


def evaluate_engine(
    engine: Engine, package: Package, prepared: Prepared, rows: Rows, threads: int = 1
) -> Scores:
    """Reads each of `rows` whole and scores it; with `threads` > 1 the engine is called from several."""
    reader = HandReader(engine, package.spec, palm_detector=MediaPipePalmDetector())

    def read(row: int) -> tuple[str, float, list[float], float]:
        prediction = reader.read(prepared.picture(row))
        given = prepared.box_xyxy[row]
        iou = np.nan
        if np.isfinite(given).all():
            found = prediction.hand
            x0, y0, x1, y1 = map(float, given)
            iou = box_iou(found.box_xyxy, (x0, y0, x1, y1)) if found else 0.0
        shares = prediction.probabilities.tolist()
        return prediction.letter or "", prediction.confidence, shares, iou

    with ThreadPoolExecutor(max(1, threads)) as pool:
        answers = list(tqdm(pool.map(read, rows.tolist()), total=len(rows), unit="picture", disable=None))
    said, confidence, shares, iou = zip(*answers, strict=True)
    return score(
        Answers(
            truth=prepared.letter[rows],
            said=np.array(said),
            confidence=np.array(confidence, np.float64),
            shares=shares_at(np.array(shares, np.float64), 1 / package.temperature),
            source=prepared.source[rows],
            iou=np.array(iou, np.float64),
        )
    )


def write_evaluation(
    folder: Path, scores: dict[str, dict[str, Scores]], about: dict[str, str] | None = None
) -> None:
    """{variant: {label: Scores}} -> scores.json, per_letter.csv, confusion.csv and a PNG a variant."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = {**(about or {}), "variants": _report(scores)}
        (folder / "scores.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        _write_tables(folder, scores)
    except OSError as error:
        raise DataError(f"{folder} can't be written: {reason_of(error)}") from None
    for i, (variant, groups) in enumerate(scores.items()):
        for j, (label, figures) in enumerate(groups.items()):
            # The first, which is the most honest of the first variant, has the plain name.
            name = "confusion.png" if i == j == 0 else f"confusion.{variant}.{label.replace(' ', '_')}.png"
            sources = ", ".join(figures.per_source)
            if figures.accuracy is not None:
                title = (
                    f"{variant}: {figures.accuracy:.1%} of {figures.pictures:,} pictures\n{label}: {sources}"
                )
                plot_confusion(figures.confusion, folder / name, title)


def _report(scores: dict[str, dict[str, Scores]]) -> dict[str, Any]:
    first = next(iter(scores.values()))
    return {
        variant: {
            label: {
                **figures.report(),
                "answers_changed": round(changed_share(first[label].answers, figures.answers), 4),
            }
            for label, figures in groups.items()
        }
        for variant, groups in scores.items()
    }


def _write_tables(folder: Path, scores: dict[str, dict[str, Scores]]) -> None:
    with (
        (folder / "confusion.csv").open("w", newline="", encoding="utf-8") as confusion_file,
        (folder / "per_letter.csv").open("w", newline="", encoding="utf-8") as letter_file,
    ):
        confusion, per_letter = csv.writer(confusion_file), csv.writer(letter_file)
        confusion.writerow(["variant", "signers", "signed", *LETTERS, "none"])
        per_letter.writerow(["variant", "signers", "letter", "pictures", "recall"])
        for variant, groups in scores.items():
            for label, figures in groups.items():
                for letter, row in zip(LETTERS, figures.confusion.tolist(), strict=True):
                    recall = figures.recall[letter]
                    confusion.writerow([variant, label, letter, *row])
                    share = "" if recall is None else f"{recall:.4f}"
                    per_letter.writerow([variant, label, letter, sum(row), share])


def _print_table(scores: dict[str, dict[str, Scores]]) -> None:
    """Variants side by side, for each label."""
    variants = list(scores)
    for label in next(iter(scores.values())):
        figures = [scores[variant][label] for variant in variants]
        _print_row(f"{label}: {figures[0].pictures:,} pictures", variants)
        for name, key in (
            ("accuracy", "accuracy"),
            ("mean recall of the letters", "mean_recall"),
            ("given any letter", "answered"),
            ("expected calibration error", "calibration_error"),
            ("hand found, IoU at least 0.5", "box_found"),
        ):
            _print_row(f"  {name}", [_percent(getattr(one, key)) for one in figures])
        for source in figures[0].per_source:
            _print_row(f"  {source}", [_percent(one.per_source[source]["accuracy"]) for one in figures])
        for name in figures[0].given_a_letter:
            shares = [_percent(one.given_a_letter[name]["share"]) for one in figures]
            _print_row(f"  '{name}' that was given a letter", shares)
        for group in figures[0].look_alikes:
            both = [one.look_alikes[group] for one in figures]
            _print_row(f"  {group} mistaken", [f"{b['mistaken']} of {b['pictures']}" for b in both])
        for letter in LETTERS:
            _print_row(f"  recall of {letter}", [_percent(one.recall[letter]) for one in figures])


def _print_row(name: str, values: Sequence[str]) -> None:
    print(f"{name:48}" + "".join(f"{value:>14}" for value in values))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
