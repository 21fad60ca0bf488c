"""`python -m train evaluate`: measure a package or a checkpoint, reading pictures as a device does.

Every picture goes whole through `edge.hand.reader.HandReader`, the path of `asl-edge predict`. Each result
is labelled by whether training saw the signer: only results of unseen signers tell what a user will get.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.engines import open_engine
from edge.errors import DataError
from edge.geometry import box_iou
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.package import Package, open_package
from edge.printable import print_line
from edge.records import Engine, Prediction
from train.command_line import parse_names
from train.data.prepared import SPLITS, Prepared, Rows, open_prepared, spread
from train.evaluate.calibration import change_temperature
from train.evaluate.metrics import Metrics, Predictions, compute_metrics
from train.evaluate.plots import plot_history
from train.evaluate.tables import print_table, write_evaluation

UNSEEN, CHOSE, SEEN = "unseen signers", "unseen signers that chose the epoch", "seen signers"
UNKNOWN = "signers that may have been seen"
CHECKPOINT = "checkpoint"  # the only variant of a checkpoint


@dataclass(frozen=True, eq=False)
class Model:
    """One variant of the model to evaluate."""

    variant: str
    engine: Engine
    package: Package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train evaluate`."""
    add = parser.add_argument
    add("model", type=Path, metavar="PACKAGE_OR_CHECKPOINT", help="deployment package, or a .pt file of fit")
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add("--sources", type=parse_names, metavar="A,B",
        help="sources to evaluate; by default those that training did not see")  # fmt: skip
    add("--roles", type=parse_names, metavar="SPLIT,SPLIT",
        help=f"splits to evaluate, of {', '.join(SPLITS)}; by default all")  # fmt: skip
    add("--most", type=int, metavar="N",
        help="at most N pictures, evenly from each letter of each source; by default all")  # fmt: skip
    add("--variants", type=parse_names, metavar="A,B",
        help="variants of a package to evaluate; by default each ONNX variant")  # fmt: skip
    add("--threads", type=int, default=os.cpu_count() or 1, help="pictures to read at a time")
    add("--output", type=Path, default=Path("evaluation"), help="folder for tables and plots")


def main(args: argparse.Namespace) -> int:
    """Evaluate, write the output folder and print the table; return 0."""
    prepared = open_prepared(args.data)
    models, history = open_models(args.model, args.variants)
    training = models[0].package.metadata.get("training", {})
    groups = thin(prepared, group_rows(prepared, training, args.sources, args.roles), args.most)
    metrics = {
        model.variant: {
            label: evaluate_engine(model.engine, model.package, prepared, rows, args.threads)
            for label, rows in groups.items()
        }
        for model in models
    }
    write_evaluation(args.output, metrics, {"model": str(args.model), "data": str(args.data)})
    if history:
        plot_history(history, args.output / "history.png", f"learning curves of {args.model}")
    print_table(metrics)
    print_line(f"wrote {args.output}")
    return 0


def open_models(
    path: Path, variants: Sequence[str] | None = None
) -> tuple[list[Model], list[dict[str, Any]]]:
    """Open the variants of a package, or a checkpoint with its history."""
    if path.suffix == ".pt":
        return _open_checkpoint(path)
    package = open_package(path)
    chosen = variants or [name for name, file in package.files.items() if file.suffix == ".onnx"]
    return [Model(variant, open_engine(package, variant), package) for variant in chosen], []


def _open_checkpoint(path: Path) -> tuple[list[Model], list[dict[str, Any]]]:
    from train.model.checkpoint import load_checkpoint  # only here: evaluating a package needs no torch
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


def label_source(source: str, training: dict[str, Any]) -> str:
    """Return what training knew of a source; `training` is what `fit` recorded."""
    if "sources" not in training:
        return UNKNOWN
    if source in training["sources"]:
        return SEEN
    # These chose the best epoch and the temperature, so their results are slightly too good.
    return CHOSE if source in training.get("validated_on", []) else UNSEEN


def group_rows(
    prepared: Prepared,
    training: dict[str, Any],
    sources: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
) -> dict[str, Rows]:
    """Return the rows to evaluate by label, unseen signers first.

    Without `sources` and `splits` these are the pictures of signers that training did not see. If it saw
    all signers, they are the pictures that it held back, or else all pictures.
    """
    rows = prepared.rows(sources, splits)
    if len(rows) == 0:
        raise DataError(f"{prepared.folder} has no picture of these sources and splits: choose others")
    labels = np.array([label_source(str(name), training) for name in prepared.source[rows]])
    groups = {label: rows[labels == label] for label in (UNSEEN, CHOSE, UNKNOWN, SEEN)}
    groups = {label: labelled for label, labelled in groups.items() if len(labelled)}
    if sources is not None or splits is not None:
        return groups
    if len(groups) > 1:
        groups.pop(SEEN, None)
    elif SEEN in groups and training.get("options", {}).get("by_role"):
        held_back = rows[prepared.split[rows] != "train"]
        groups[SEEN] = held_back if len(held_back) else rows
    return groups


def thin(prepared: Prepared, groups: dict[str, Rows], most: int | None) -> dict[str, Rows]:
    """Return at most `most` rows by label, evenly from each letter of each source; None means all.

    Raises DataError if `most` is below 1.
    """
    if most is None:
        return groups
    if most < 1:
        raise DataError(f"--most must be 1 or more, got {most}")
    return {label: spread(prepared, rows, most) for label, rows in groups.items()}


def evaluate_engine(
    engine: Engine, package: Package, prepared: Prepared, rows: Rows, threads: int = 1
) -> Metrics:
    """Read each of `rows` whole and measure; several threads call the engine at a time."""
    reader = HandReader(engine, package.spec, palm_detector=MediaPipePalmDetector())
    with ThreadPoolExecutor(max(1, threads)) as pool:
        reads = pool.map(lambda row: reader.read(prepared.picture(row)), rows.tolist())
        predictions = list(tqdm(reads, total=len(rows), unit="picture", disable=None))
    probabilities = [one.probabilities.tolist() for one in predictions]
    return compute_metrics(
        Predictions(
            truth=prepared.letter[rows],
            predicted=np.array([one.letter or "" for one in predictions]),
            confidence=np.array([one.confidence for one in predictions], np.float64),
            probabilities=change_temperature(np.array(probabilities, np.float64), 1 / package.temperature),
            source=prepared.source[rows],
            iou=np.array(
                [_compare_box(one, prepared, row) for one, row in zip(predictions, rows, strict=True)]
            ),
        )
    )


def _compare_box(prediction: Prediction, prepared: Prepared, row: int) -> float:
    """Return the overlap of the found box with the given one: 0 without a hand, NaN without a given box."""
    given = prepared.box_xyxy[row]
    if not np.isfinite(given).all():
        return float("nan")
    x0, y0, x1, y1 = map(float, given)
    return box_iou(prediction.hand.box_xyxy, (x0, y0, x1, y1)) if prediction.hand else 0.0
