"""Collect what the packages of the folds measured, for the metadata and the model card.

A fold is a network whose training left some sources out.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.package import open_package
from train.evaluate.calibration import Curve, choose_temperature, find_error
from train.evaluate.evaluate import UNSEEN

KEPT = (
    "accuracy",
    "accuracy_still",
    "accuracy_moving",
    "mean_recall",
    "answered",
    "box_found",
    "calibration_error",
    "answers_changed",
    "recall",
    "per_source",
    "confidence_curves",
)


def load_folds(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return one entry per package of a fold, sorted by source.

    Raises DataError if two folds left out the same source, or a fold left out none.
    """
    folder_by_source: dict[str, Path] = {}
    folds = []
    for folder in folders:
        fold = _load_fold(Path(folder))
        folds.append(fold)
        for source in fold["sources"]:
            if source in folder_by_source:
                raise DataError(
                    f"{folder_by_source[source]} and {folder} both left out '{source}': "
                    "give --leave-one-out one package for each source"
                )
            folder_by_source[source] = folder
    return sorted(folds, key=lambda fold: str(fold["sources"]))


def choose_fold_temperature(folds: Sequence[dict[str, Any]], sources: Collection[str]) -> float:
    """Return the temperature at which the first variant's confidence agrees best on `sources`."""
    return choose_temperature([curve for name, curve in _collect_curves(folds).items() if name in sources])


def compute_calibration_errors(folds: Sequence[dict[str, Any]], sources: Collection[str]) -> dict[str, float]:
    """Return the calibration error of each source at the temperature that the other folds choose.

    Only `sources` choose a temperature. A single fold is measured at that of its own other sources.
    """
    errors = {}
    for fold in folds:
        for name, curve in _collect_curves([fold]).items():
            own = set(fold["sources"]) if len(folds) > 1 else {name}
            errors[name] = find_error(curve, choose_fold_temperature(folds, set(sources) - own))
    return errors


def _collect_curves(folds: Sequence[dict[str, Any]]) -> dict[str, Curve]:
    first = [next(iter(fold["variants"].values())) for fold in folds]
    return {name: curve for metrics in first for name, curve in metrics["confidence_curves"].items()}


def _load_fold(folder: Path) -> dict[str, Any]:
    metadata = open_package(folder).metadata
    sections = [section for section in metadata.get("accuracy", []) if section["signers"] == UNSEEN]
    if not sections:
        raise DataError(
            f"{folder} was measured on no signer that its training did not see: "
            "give --leave-one-out packages of checkpoints made with fit --leave-out SOURCE"
        )
    section, training = sections[0], metadata["training"]
    return {
        "sources": section["sources"],
        "pictures": section["pictures"],
        "variants": {
            variant: {name: metrics[name] for name in KEPT}
            for variant, metrics in section["variants"].items()
        },
        "size_px": metadata["input"]["shape"][-1],
        "quantisation": {variant: entry["quantisation"] for variant, entry in metadata["files"].items()},
        "train_command": training.get("command", ""),
        "train_seconds": training.get("seconds"),
        "train_device": training.get("device", ""),
        "export_command": metadata["export"]["command"],
    }
