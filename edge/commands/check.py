"""`asl-edge check`: whether a package can run and read on this device. An update asks before it switches."""

import argparse
import contextlib
import logging
import math
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

from edge.build import load_engine
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.engines.golden import check_golden, measure_inference_ms
from edge.engines.golden_pictures import check_golden_pictures
from edge.errors import PackageError, SettingsError
from edge.hand.palm_detector import MediaPipePalmDetector, PalmDetector
from edge.models import DEFAULT_PROVIDER
from edge.package import Package, open_package
from edge.records import Engine, Prediction
from edge.system.stdout import say

WARM_UP, RUNS = 3, 20
# A model of some kilobytes can ask for any memory. A good one takes some 100 MB; the service may have 512 MB.
MAX_BYTES = 1_000_000_000
TIMEOUT_S, MAX_TIMEOUT_S = 600.0, 86_400.0
log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", metavar="DIR", help="deployment package (default: that of --model)"
    )
    parser.add_argument(
        "--limit-ms", type=float, metavar="N", default=math.inf, help="highest median time of an inference"
    )
    parser.add_argument(
        "--timeout-s",
        type=float,
        metavar="N",
        default=TIMEOUT_S,
        help=f"seconds after which a model that has not answered is refused (default: {TIMEOUT_S:g})",
    )
    add_settings(parser, MODEL)


def main(arguments: argparse.Namespace) -> int:
    if arguments.limit_ms <= 0:
        raise SettingsError(f"--limit-ms must be more than 0, got {arguments.limit_ms:g}")
    if not 0 < arguments.timeout_s <= MAX_TIMEOUT_S:  # NaN is refused, too
        raise SettingsError(f"--timeout-s must be from 0 to {MAX_TIMEOUT_S:g}, got {arguments.timeout_s:g}")
    settings = load_settings(arguments)
    package = open_package(Path(arguments.folder or settings.model), settings.signers)
    if package.schema_version == 1:
        log.warning(
            "%s has schema version 1, which has no golden pictures, so nobody knows whether it can read: "
            "python -m export.upgrade adds some. A later asl-edge will refuse version 1",
            package.folder,
        )
    with _limited(package, settings.variant, settings.provider, arguments.timeout_s):
        engine = load_engine(settings, package)
        palm_detector = MediaPipePalmDetector(settings.threads)
        text = check_package(engine, package, settings.variant, arguments.limit_ms, palm_detector)
    say(text)
    return 0


@contextlib.contextmanager
def _limited(package: Package, variant: str, provider: str, timeout_s: float) -> Iterator[None]:
    """Limit the memory of the process, and end it if the body takes longer than `timeout_s`.

    Nothing else can end an inference. The libraries of PyTorch and of a GPU need more memory than the limit.
    """

    def give_up() -> None:
        log.error("%s did not answer within %g s: use another model", package.files[variant], timeout_s)
        os._exit(2)

    if package.runtime(variant) == "onnx" and provider == DEFAULT_PROVIDER:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limits = [MAX_BYTES, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
