"""From a checkpoint to the deployment package: read `prepare_model_for_deployment` from top to bottom."""

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
from edge.printable import print_line
from edge.records import LETTERS, Array
from export import metadata as meta
from export.calibration import (
    choose_calibration_rows,
    choose_trial_rows,
    letter_indices,
    load_both_views,
    load_hand_views,
)
from export.golden_pictures import file_names, write_golden_pictures
from export.leave_one_out import choose_fold_temperature, compute_calibration_errors, load_folds
from export.model_card import NAME as CARD_NAME
from export.model_card import write_model_card
from export.origins import read_origins
from export.recipe_search import TrialPictures, quantise_best
from export.replace import replaced_package
from export.sign import sign_package
from export.to_onnx import export_onnx, read_versions
from export.to_torchscript import export_torchscript
from export.verify import (
    check_golden_outputs,
    choose_rows,
    compute_golden_letters,
    measure,
    measure_latency,
    open_variant,
    refuse_losses,
    report_accuracy,
)
from train.data.prepared import Prepared, open_prepared, spread
from train.model.checkpoint import Checkpoint
from train.model.plain_resnet import load_any_checkpoint

PREVIEW_PICTURES = 8  # from which the exported files are compared with the checkpoint


def map_class_to_letter(index: int) -> str:
    """Return 'A'..'Z' for the network's class 0..25; raise DataError beyond."""
    if not 0 <= index < len(LETTERS):
        raise DataError(f"class must be 0 (A) to {len(LETTERS) - 1} (Z), got {index}")
    return LETTERS[index]


def prepare_model_for_deployment(
    checkpoint: Path,
    output: Path = Path("deployment_package"),
    data: Path = Path("prepared"),
    variants: Sequence[str] = VARIANTS,
    sources: Sequence[str] | None = None,
    most: int | None = None,
    origins: Path | None = None,
    accept_drop: bool = False,
    leave_one_out: Sequence[Path] = (),
    command: str = "export.package.prepare_model_for_deployment(...)",
    quick: bool = False,
    sign: Path | None = None,
) -> Package:
    """Export a checkpoint of fit, or a plain ResNet-18, as a verified package in `output`.

    `variants` are packaged; float32 is measured in any case. Accuracy is measured on `sources` of the
    prepared folder `data`, on at most `most` pictures of each kind of signers. `origins` is a table of where
    the pictures come from. `leave_one_out` are the packages of the folds, `command` is the command line for
    the model card, `quick` quantises without a search, and `sign` is an SSH key to sign with. `output` is
    replaced only after every check has passed; if anything fails (AslEdgeError), a package that was there is
    unchanged.
    """
    chosen = _check_variants(variants)
    command = meta.remove_command_folders(command)
    trained = load_any_checkpoint(checkpoint)
    if origin := trained.training.get("origin"):
        _log(f"{checkpoint} {origin}")
    prepared = open_prepared(data)
    folds = load_folds(leave_one_out)
    tuned_on = set(prepared.source[prepared.split != "test"].tolist())  # nothing is tuned on the test split
    if folds:
        trained = replace(trained, temperature=choose_fold_temperature(folds, tuned_on))
    groups = choose_rows(prepared, trained.training, sources, most)
    described = [] if origins is None else read_origins(origins, trained.training.get("sources", []))
    with replaced_package(output) as partial:
        quantisation, trials = _write_variants(trained, prepared, partial, {*chosen, "float"}, quick)
        metadata = meta.build_contract(trained, partial, quantisation)
        meta.write_metadata(partial, metadata)
        package = open_package(partial)
        _log(f"reading {sum(map(len, groups.values())):,} pictures with each of {', '.join(package.files)}")
        metrics = measure(package, prepared, groups, threads=os.cpu_count() or 1)
        refuse_losses(metrics, accept_drop)
        opset, ir_version = read_versions(package.file("float"))
        golden = {"picture": "edge.engines.golden.golden_picture", "letters": compute_golden_letters(package)}
        metadata |= {
            "export": {"command": command},
            "opset": opset,
            "ir_version": ir_version,
            "leave_one_out": folds,
            "origins": described,
            "calibration_error": compute_calibration_errors(folds, tuned_on),
            "accuracy": report_accuracy(metrics),
            "latency_ms": measure_latency(package),
            "quantisation_trials": trials,
            "golden": golden,
            "measured_bytes": {
                variant: package.contents[path.name].size_bytes for variant, path in package.files.items()
            },
            "golden_pictures": _write_golden_pictures(package),
        }
        metadata = meta.keep_variants(metadata, chosen)
        for variant in set(package.files) - set(chosen):
            package.files[variant].unlink()
        write_model_card(partial, metadata)
        names = [entry["name"] for entry in metadata["files"].values()]
        names += [*file_names(metadata["golden_pictures"]), CARD_NAME]
        metadata["contents"] = meta.describe_files(partial, names)
        meta.write_metadata(partial, metadata)
        check_golden_outputs(open_package(partial))
        if sign is not None:
            sign_package(partial, sign)
    return open_package(output)


def _write_golden_pictures(package: Package) -> list[dict[str, Any]]:
    """Write pictures that every variant reads, float32 too, and return the section of the metadata."""
    engines = {variant: open_variant(package, variant) for variant in package.files}
    pictures = write_golden_pictures(package.folder, engines, package.spec)
    if not pictures:
        _log(
            "this network reads too few drawn hands, so the package gets no golden pictures: predict and run "
            "read with it, but a board's update refuses it (asl-edge check)"
        )
    return pictures


def _check_variants(variants: Sequence[str]) -> list[str]:
    """Return the named variants in their usual order; raise DataError for an unknown one or none."""
    chosen = [variant for variant in VARIANTS if variant in variants]
    if unknown := set(variants) - set(VARIANTS) or ({"nothing"} if not chosen else set()):
        raise DataError(f"--variants must be one or more of {', '.join(VARIANTS)}, got '{min(unknown)}'")
    return chosen


def _write_variants(
    trained: Checkpoint, prepared: Prepared, folder: Path, variants: set[str], quick: bool
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Write the model files; return how each was made, and the trials of the search for int8."""
    model, size_px = trained.model, trained.size_px
    paths = {variant: folder / name for variant, name in meta.FILE_NAMES.items()}
    calibrated_on = choose_calibration_rows(prepared, trained.training)
    inputs: list[Array] = [golden_tensor(size_px)]
    inputs += load_both_views(prepared, spread(prepared, calibrated_on, PREVIEW_PICTURES), size_px)
    _log("writing float32 ONNX")
    export_onnx(model, size_px, paths["float"], inputs)
    quantisation = {"float": "none: float32"}
    trials: list[dict[str, Any]] = []
    if "int8" in variants:
        _log("writing int8 ONNX: trying recipes")
        rows = choose_trial_rows(prepared, trained.training, calibrated_on)
        pictures = TrialPictures(load_hand_views(prepared, rows, size_px), letter_indices(prepared, rows))
        calibration = load_both_views(prepared, calibrated_on, size_px)
        recipe, trials = quantise_best(paths["float"], paths["int8"], calibration, pictures, quick)
        quantisation["int8"] = f"static QDQ, a scale per channel: {recipe.name}"
    if "dynamic" in variants:
        _log("writing TorchScript with its two last layers quantised")
        export_torchscript(model, size_px, paths["dynamic"], inputs)
        quantisation["dynamic"] = "dynamic, qint8: the two last layers alone"
    return {variant: quantisation[variant] for variant in VARIANTS if variant in quantisation}, trials


def _log(message: str) -> None:
    print_line(f"export: {message}", file=sys.stderr)
