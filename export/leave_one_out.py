"""Leave-one-source-out: what the packages of the folds measured, collected for the metadata and the card."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.package import open_package
from train.evaluate.calibration import Curve, best_temperature, error_at
from train.evaluate.evaluate import UNSEEN

KEPT = (
    "accuracy",
    "mean_recall",
    "answered",
    "box_found",
    "calibration_error",
    "answers_changed",
    "recall",
    "per_source",
    "confidence_curves",
)


def folds_of(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Deployment packages, each of a checkpoint that left sources out -> one entry a fold, by source.
    DataError where two left out the same."""
    of_source: dict[str, Path] = {}
    folds = []
    for folder in folders:
        fold = _fold(Path(folder))
        folds.append(fold)
        for source in fold["sources"]:
            if source in of_source:
                raise DataError(
                    f"{of_source[source]} and {folder} both left out '{source}': "
                    "give --leave-one-out one package for each source"
                )
            of_source[source] = folder
    return sorted(folds, key=lambda fold: str(fold["sources"]))


def temperature_of(folds: Sequence[dict[str, Any]], sources: Collection[str]) -> float:
    """The temperature that makes the first variant's confidence agree best with what `sources` showed."""
    return best_temperature([one for name, one in _curves(folds).items() if name in sources])


def calibrated_errors(folds: Sequence[dict[str, Any]], sources: Collection[str]) -> dict[str, float]:
    """Calibration error of each source left out, at the temperature that the others of `sources` ask for."""
    return {
        name: error_at(one, temperature_of(folds, set(sources) - {name}))
        for name, one in _curves(folds).items()
    }


def _curves(folds: Sequence[dict[str, Any]]) -> dict[str, Curve]:
    first = [next(iter(fold["variants"].values())) for fold in folds]
    return {name: one for figures in first for name, one in figures["confidence_curves"].items()}


def _fold(folder: Path) -> dict[str, Any]:
    metadata = open_package(folder).metadata
    sections = [part for part in metadata.get("accuracy", []) if part["signers"] == UNSEEN]
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
            variant: {name: figures[name] for name in KEPT}
            for variant, figures in section["variants"].items()
        },
        "size_px": metadata["input"]["shape"][-1],
        "quantisation": {variant: entry["quantisation"] for variant, entry in metadata["files"].items()},
        "train_command": training.get("command", ""),
        "train_seconds": training.get("seconds"),
        "train_device": training.get("device", ""),
        "export_command": metadata["export"]["command"],
    }
