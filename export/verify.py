"""Read the held-out pictures with every variant, and refuse a quantised one that reads them worse."""

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
from export.calibration import spread
from export.to_torchscript import KERNELS, known_warnings, quantised_kernels
from train.data.prepared import Prepared, Rows
from train.evaluate.evaluate import SEEN, UNSEEN, evaluate_engine, group_rows
from train.evaluate.metrics import Scores, changed_share, spoilt_share

MAX_DROP_POINTS = 1.0
MAX_SPOILT = 0.02  # of the letters that float32 reads right
SEEN_PICTURES = 300  # they flatter anyway, so that a sample will do
LATENCY_RUNS = 30

Figures = dict[str, dict[str, Scores]]  # by variant, then by what training knew of the signers


def engine_of(package: Package, variant: str, threads: int = 1) -> Engine:
    """The engine that runs a variant on a device."""
    return open_engine(package, variant, threads)


def held_out(prepared: Prepared, training: dict[str, Any], sources: Sequence[str] | None) -> dict[str, Rows]:
    """The rows to measure on, by what training knew of their signers, the most honest first: `sources`,
    otherwise all that training did not see, otherwise a sample of what it saw."""
    groups = group_rows(prepared, training, sources)
    if SEEN in groups:
        groups[SEEN] = spread(prepared, groups[SEEN], SEEN_PICTURES)
    return groups


def measure(package: Package, prepared: Prepared, groups: dict[str, Rows], threads: int) -> Figures:
    """Every variant of the package on the same pictures, through the path of `asl-edge predict`."""
    figures: Figures = {}
    for variant in package.files:
        engine = engine_of(package, variant)
        figures[variant] = {
            signers: evaluate_engine(engine, package, prepared, rows, threads)
            for signers, rows in groups.items()
        }
        if all(scores.accuracy is None for scores in figures[variant].values()):
            raise DataError(f"{prepared.folder} has no picture of a letter among those to measure on")
    return figures


def refuse_losses(figures: Figures, accept_drop: bool) -> None:
    """DataError where a variant loses more than MAX_DROP_POINTS or spoils more than MAX_SPOILT.

    What float32 reads wrong may change: of signers that it reads badly much does, and nothing is lost by it.
    """
    for variant, groups in figures.items():
        for signers, scores in groups.items():
            float_scores = figures["float"][signers]
            before, after = float_scores.accuracy or 0.0, scores.accuracy or 0.0
            spoilt = spoilt_share(float_scores.answers, scores.answers)
            if not accept_drop and (100 * (before - after) > MAX_DROP_POINTS or spoilt > MAX_SPOILT):
                raise DataError(
                    f"the {variant} variant reads {after:.1%} right where float32 reads {before:.1%} "
                    f"({signers}), and wrong {spoilt:.1%} of what that reads right; at most "
                    f"{MAX_DROP_POINTS} points and {MAX_SPOILT:.0%} are packaged: train for longer, "
                    "or say --accept-drop"
                )


def accuracy_report(figures: Figures) -> list[dict[str, Any]]:
    """For the metadata: a section for each kind of signers, the most honest first."""
    sections = []
    for signers, float_scores in figures["float"].items():
        variants = {
            variant: {
                **_kept(groups[signers], signers),
                "answers_changed": round(changed_share(float_scores.answers, groups[signers].answers), 4),
            }
            for variant, groups in figures.items()
        }
        sources = list(float_scores.per_source)
        sections.append(
            {"signers": signers, "sources": sources, "pictures": float_scores.pictures, "variants": variants}
        )
    return sections


def _kept(scores: Scores, signers: str) -> dict[str, Any]:
    """Without the 702 numbers that `python -m train evaluate` writes as a table and draws, and without the
    confidence of signers that training saw: nothing is calibrated on them."""
    dropped = {"confusion"} if signers == UNSEEN else {"confusion", "confidence_curves"}
    return {name: value for name, value in scores.report().items() if name not in dropped}


def latency_report(package: Package) -> dict[str, Any]:
    """Milliseconds that one reading of a square takes on this machine, which is no board."""
    medians = {
        variant: round(measure_inference_ms(engine_of(package, variant), package.size_px, 5, LATENCY_RUNS), 2)
        for variant in package.files
    }
    return {"median": medians, "runs": LATENCY_RUNS, "threads": 1, "processor": _processor()}


def golden_letters(package: Package) -> dict[str, list[float]]:
    """What each variant answers to the golden input: 26 logits."""
    tensor = golden_tensor(package.size_px)
    return {
        variant: [round(float(x), 5) for x in engine_of(package, variant)(tensor).letters[0]]
        for variant in package.files
    }


def check_answers(package: Package) -> None:
    """Every variant, opened as a device opens it, gives its golden answer; PackageError where not."""
    for variant in package.files:
        if variant == "dynamic":  # also with the kernels of the other kind of processor
            for kernels in KERNELS:
                with quantised_kernels(kernels), known_warnings():
                    check_golden(TorchScriptEngine(package, kernels=kernels), package, variant)
        else:
            check_golden(engine_of(package, variant), package, variant)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
