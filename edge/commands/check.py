"""`asl-edge check`: whether a package can run and read on this device. An update asks before it switches."""

import argparse
import logging
import math
from pathlib import Path

from edge.build import load_engine
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.engines.golden import check_golden, measure_inference_ms
from edge.engines.golden_pictures import check_golden_pictures
from edge.errors import PackageError, SettingsError
from edge.hand.palm_detector import MediaPipePalmDetector, PalmDetector
from edge.package import Package, open_package
from edge.records import Engine, Prediction
from edge.system.stdout import say

WARM_UP, RUNS = 3, 20
log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="deployment package (default: that of --model)"
    )
    parser.add_argument(
        "--limit-ms", type=float, metavar="N", default=math.inf, help="highest median time of an inference"
    )
    add_settings(parser, MODEL)


def main(arguments: argparse.Namespace) -> int:
    if arguments.limit_ms <= 0:
        raise SettingsError(f"--limit-ms must be more than 0, got {arguments.limit_ms:g}")
    settings = load_settings(arguments)
    package = open_package(Path(arguments.folder or settings.model), settings.signers)
    if package.schema_version == 1:
        log.warning(
            "%s has schema version 1, which has no golden pictures, so nobody knows whether it can read: "
            "python -m export.upgrade adds some. A later asl-edge will refuse version 1",
            package.folder,
        )
    engine = load_engine(settings, package)
    palm_detector = MediaPipePalmDetector(settings.threads)
    say(check_package(engine, package, settings.variant, arguments.limit_ms, palm_detector))
    return 0


def check_package(
    engine: Engine, package: Package, variant: str, limit_ms: float, palm_detector: PalmDetector
) -> str:
    """Return one line about the package.

    Raises PackageError if the golden answer or what is read in a golden picture is wrong, or if the median
    time is not below `limit_ms`.
    """
    difference = check_golden(engine, package, variant)
    predictions = check_golden_pictures(engine, package, variant, palm_detector)
    median_ms = measure_inference_ms(engine, package.size_px, WARM_UP, RUNS)
    if not median_ms <= limit_ms:  # NaN refuses every package
        raise PackageError(
            f"{package.files[variant]} takes {median_ms:.1f} ms for an inference (median of {RUNS}), the "
            f"limit is {limit_ms:g} ms: use a smaller network, or raise the limit"
        )
    return (
        f"{package.folder}: every file is as it was packaged, the golden answer is {difference:.3f} "
        f"from the export's, {_describe(predictions)}, {median_ms:.1f} ms per inference"
    )


def _describe(predictions: list[Prediction]) -> str:
    if not predictions:
        return "no golden picture to read"
    return "the golden pictures show " + ", ".join(one.letter or "no hand" for one in predictions)
