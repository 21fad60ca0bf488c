"""From a checkpoint to the deployment package: `prepare_model_for_deployment`, read it top to bottom."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.engines.golden import golden_tensor
from edge.errors import DataError
from edge.models import VARIANTS
from edge.package import Package, open_package
from edge.records import LETTERS, Array
from export import metadata as told
from export.calibration import (
    both_looks,
    calibration_rows,
    hand_looks,
    letter_indices,
    spread,
    trial_rows,
)
from export.leave_one_out import calibrated_errors, folds_of, temperature_of
from export.model_card import write_model_card
from export.recipe_search import TrialPictures, quantise_best
from export.replace import replaced_package
from export.to_onnx import export_onnx, versions_of
from export.to_torchscript import export_torchscript
from export.verify import (
    accuracy_report,
    check_answers,
    golden_letters,
    held_out,
    latency_report,
    measure,
    refuse_losses,
)
from train.data.prepared import Prepared, open_prepared
from train.fit.checkpoint import Checkpoint, load_checkpoint


def map_class_to_letter(index: int) -> str:
    """The network's class 0..25 -> 'A'..'Z'; DataError beyond."""
    if not 0 <= index < len(LETTERS):
        raise DataError(f"there is no class {index}: the network has {len(LETTERS)}, 0 (A) to 25 (Z)")
    return LETTERS[index]


def prepare_model_for_deployment(
    checkpoint: Path,
    output: Path = Path("deployment_package"),
    data: Path = Path("prepared"),
    variants: Sequence[str] = VARIANTS,
    sources: Sequence[str] | None = None,
    accept_drop: bool = False,
    leave_one_out: Sequence[Path] = (),
    command: str = "export.package.prepare_model_for_deployment(...)",
    quick: bool = False,
) -> Package:
    """A checkpoint of fit and the prepared folder -> a verified package in `output`.

    `variants` are packaged (float32 is measured in any case), `sources` measured on, `leave_one_out` are
    the packages of the folds, `command` is what the model card says was typed, `quick` quantises without
    trying several ways. Nothing appears in `output` before every file answers as it should; where anything
    fails (AslEdgeError), the package that was there stays whole.
    """
    chosen = [variant for variant in VARIANTS if variant in variants]
    if unknown := set(variants) - set(VARIANTS) or ({"nothing"} if not chosen else set()):
        raise DataError(f"there is no variant '{min(unknown)}': take one or more of {', '.join(VARIANTS)}")
    command = told.command_without_folders(command)
    trained = load_checkpoint(checkpoint)
    prepared = open_prepared(data)
    folds = folds_of(leave_one_out)
    tuned_on = set(prepared.source[prepared.role != "test"].tolist())  # nothing is tuned on the test role
    if folds:
        trained = replace(trained, temperature=temperature_of(folds, tuned_on))
    groups = held_out(prepared, trained.training, sources)
    with replaced_package(output) as partial:
        quantisation, trials = _write_variants(trained, prepared, partial, {*chosen, "float"}, quick)
        metadata = told.contract(trained, partial, quantisation)
        told.write_metadata(partial, metadata)
        package = open_package(partial)
        _say(f"reading {sum(map(len, groups.values())):,} pictures with each of {', '.join(package.files)}")
        figures = measure(package, prepared, groups, threads=os.cpu_count() or 1)
        refuse_losses(figures, accept_drop)
        opset, ir_version = versions_of(package.file("float"))
        metadata |= {
            "export": {"command": command},
            "opset": opset,
            "ir_version": ir_version,
            "leave_one_out": folds,
            "calibration_error": calibrated_errors(folds, tuned_on),
            "accuracy": accuracy_report(figures),
            "latency_ms": latency_report(package),
            "quantisation_trials": trials,
            "golden": {"picture": "edge.engines.golden.golden_picture", "letters": golden_letters(package)},
        }
        sizes = {variant: entry["bytes"] for variant, entry in metadata["files"].items()}
        metadata = told.keep_variants(metadata | {"measured_bytes": sizes}, chosen)
        for variant in set(package.files) - set(chosen):
            package.files[variant].unlink()
        told.write_metadata(partial, metadata)
        write_model_card(partial, metadata)
        check_answers(open_package(partial))
    return open_package(output)


def _write_variants(
    trained: Checkpoint, prepared: Prepared, folder: Path, variants: set[str], quick: bool
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The model files -> how each was made, and the table of what was tried for int8."""
    model = trained.model
    paths = {variant: folder / name for variant, name in told.FILE_NAMES.items()}
    calibrated_on = calibration_rows(prepared, trained.training)
    inputs: list[Array] = [golden_tensor(trained.size_px)]
    inputs += both_looks(prepared, spread(prepared, calibrated_on, 8), trained.size_px)
    _say("float32 ONNX")
    export_onnx(model, trained.size_px, paths["float"], inputs)
    quantisation = {"float": "none: float32"}
    trials: list[dict[str, Any]] = []
    if "int8" in variants:
        _say("int8 ONNX: trying ways to quantise")
        rows = trial_rows(prepared, trained.training, calibrated_on)
        pictures = TrialPictures(hand_looks(prepared, rows, trained.size_px), letter_indices(prepared, rows))
        calibration = both_looks(prepared, calibrated_on, trained.size_px)
        recipe, trials = quantise_best(paths["float"], paths["int8"], calibration, pictures, quick)
        quantisation["int8"] = f"static QDQ, a scale per channel: {recipe.name}"
    if "dynamic" in variants:
        _say("TorchScript with its two last layers quantised")
        export_torchscript(model, trained.size_px, paths["dynamic"], inputs)
        quantisation["dynamic"] = "dynamic, qint8: the two last layers alone"
    return {variant: quantisation[variant] for variant in VARIANTS if variant in quantisation}, trials


def _say(what: str) -> None:
    print(f"export: {what}", file=sys.stderr)
