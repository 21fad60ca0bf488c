"""Measure every variant on held-out pictures, and refuse a quantised variant that is less accurate."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.engines import open_engine
from edge.engines.golden import check_golden, golden_tensor, measure_inference_ms
from edge.engines.torchscript import TorchScriptEngine
from edge.errors import DataError
from edge.package import Package
from edge.records import Engine
from export.to_torchscript import KERNELS, ignore_known_warnings, quantised_kernels
from train.data.prepared import Prepared, Rows, spread
from train.evaluate.evaluate import SEEN, UNSEEN, evaluate_engine, group_rows, thin
from train.evaluate.metrics import Metrics, changed_fraction, spoilt_fraction

MAX_DROP_POINTS = 1.0  # percentage points of accuracy
MAX_SPOILT = 0.02  # of the letters that float32 reads right
SEEN_PICTURES = 300  # a sample suffices, because accuracy on seen signers is too high anyway
LATENCY_WARM_UP, LATENCY_RUNS = 5, 30

MetricsByVariant = dict[str, dict[str, Metrics]]  # then by what training knew of the signers


def open_variant(package: Package, variant: str, threads: int = 1) -> Engine:
    """Open the engine that runs a variant on a device."""
    return open_engine(package, variant, threads)


def choose_rows(
    prepared: Prepared,
    training: dict[str, Any],
    sources: Sequence[str] | None,
    most: int | None = None,
) -> dict[str, Rows]:
    """Return the rows to measure on by what training knew of their signers, unseen signers first.

    They are the pictures of `sources`, or else all that training did not see, or else a sample of what it
    saw. At most `most` are taken of each kind. Raises DataError if `most` is below 1.
    """
    groups = thin(prepared, group_rows(prepared, training, sources), most)
    if SEEN in groups:
        groups[SEEN] = spread(prepared, groups[SEEN], SEEN_PICTURES)
    return groups


def measure(package: Package, prepared: Prepared, groups: dict[str, Rows], threads: int) -> MetricsByVariant:
    """Read the same pictures with every variant of the package, through the path of `asl-edge predict`.

    Raises DataError if no picture shows a letter.
    """
    metrics: MetricsByVariant = {}
    for variant in package.files:
        engine = open_variant(package, variant)
        metrics[variant] = {
            signers: evaluate_engine(engine, package, prepared, rows, threads)
            for signers, rows in groups.items()
        }
        if all(one.accuracy is None for one in metrics[variant].values()):
            raise DataError(f"{prepared.folder} has no picture of a letter among those to measure on")
    return metrics


def refuse_losses(metrics: MetricsByVariant, accept_drop: bool) -> None:
    """Raise DataError if a variant loses more than MAX_DROP_POINTS or spoils more than MAX_SPOILT.

    Letters that float32 reads wrong may change: nothing is lost by that.
    """
    for variant, groups in metrics.items():
        for signers, quantised in groups.items():
            full = metrics["float"][signers]
            before, after = full.accuracy or 0.0, quantised.accuracy or 0.0
            spoilt = spoilt_fraction(full.predictions, quantised.predictions)
            if not accept_drop and (100 * (before - after) > MAX_DROP_POINTS or spoilt > MAX_SPOILT):
                raise DataError(
                    f"the {variant} variant may lose {MAX_DROP_POINTS} points and {MAX_SPOILT:.0%} of the "
                    f"letters that float32 reads right: of {signers} it reads {after:.1%} right, float32 "
                    f"{before:.1%}, and it loses {spoilt:.1%}; train for longer, or give --accept-drop"
                )


def report_accuracy(metrics: MetricsByVariant) -> list[dict[str, Any]]:
    """Return the accuracy section of the metadata, one entry per kind of signers, unseen signers first."""
    sections = []
    for signers, full in metrics["float"].items():
        variants = {
            variant: {
                **_drop_large(groups[signers], signers),
                "answers_changed": round(changed_fraction(full.predictions, groups[signers].predictions), 4),
            }
            for variant, groups in metrics.items()
        }
        sources = list(full.per_source)
        sections.append(
            {"signers": signers, "sources": sources, "pictures": full.pictures, "variants": variants}
        )
    return sections


def _drop_large(metrics: Metrics, signers: str) -> dict[str, Any]:
    """Return the report without the confusion matrix, which `python -m train evaluate` writes as a table.

    Confidence curves stay for unseen signers only, because nothing is calibrated on others.
    """
    dropped = {"confusion"} if signers == UNSEEN else {"confusion", "confidence_curves"}
    return {name: value for name, value in metrics.report().items() if name not in dropped}


def measure_latency(package: Package) -> dict[str, Any]:
    """Measure the milliseconds of one inference on this machine, which is not a board."""
    medians = {
        variant: round(
            measure_inference_ms(
                open_variant(package, variant), package.size_px, LATENCY_WARM_UP, LATENCY_RUNS
            ),
            2,
        )
        for variant in package.files
    }
    return {"median": medians, "runs": LATENCY_RUNS, "threads": 1, "processor": _name_processor()}


def compute_golden_letters(package: Package) -> dict[str, list[float]]:
    """Return the 26 letter logits of each variant for the golden input."""
    tensor = golden_tensor(package.size_px)
    return {
        variant: [round(float(x), 5) for x in open_variant(package, variant)(tensor).letters[0]]
        for variant in package.files
    }


def check_golden_outputs(package: Package) -> None:
    """Open every variant as a device does and compare its golden output; raise PackageError if it differs."""
    for variant in package.files:
        if variant == "dynamic":  # also with the kernels of the other kind of processor
            for kernels in KERNELS:
                with quantised_kernels(kernels), ignore_known_warnings():
                    check_golden(TorchScriptEngine(package, kernels=kernels), package, variant)
        else:
            check_golden(open_variant(package, variant), package, variant)


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
