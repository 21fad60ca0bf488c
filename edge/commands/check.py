"""`asl-edge check`: whether a package can run on this device. An update asks this before it switches."""

import argparse
import math
from pathlib import Path

from edge.build import load_engine
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.engines.golden import check_golden, measure_inference_ms
from edge.errors import PackageError, SettingsError
from edge.package import Package, open_package
from edge.records import Engine
from edge.system.stdout import say

WARM_UP, RUNS = 3, 20


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
    package = open_package(Path(arguments.folder or settings.model))
    engine = load_engine(settings, package)
    say(check_package(engine, package, settings.variant, arguments.limit_ms))
    return 0


def check_package(engine: Engine, package: Package, variant: str, limit_ms: float) -> str:
    """Return one line about the package.

    Raises PackageError if the golden answer is wrong or the median time is not below `limit_ms`.
    """
    difference = check_golden(engine, package, variant)
    median_ms = measure_inference_ms(engine, package.size_px, WARM_UP, RUNS)
    if not median_ms <= limit_ms:  # NaN refuses every package
        raise PackageError(
            f"{package.files[variant]} takes {median_ms:.1f} ms for an inference (median of {RUNS}), the "
            f"limit is {limit_ms:g} ms: use a smaller network, or raise the limit"
        )
    return (
        f"{package.folder}: every file is as it was packaged, the golden answer is {difference:.3f} "
        f"from the export's, {median_ms:.1f} ms per inference"
    )
