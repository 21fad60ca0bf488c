"""`asl-edge check`: may this package replace the one that runs here? What an update asks first."""

import statistics
import time

from edge.errors import PackageError
from edge.golden import check_golden, golden_tensor
from edge.package import Package
from edge.records import Engine

WARM_UP, RUNS = 3, 20


def check_package(engine: Engine, package: Package, variant: str, limit_ms: float) -> str:
    """What was found, as one line. PackageError for a wrong golden answer or a median over `limit_ms`."""
    difference = check_golden(engine, package, variant)
    tensor = golden_tensor(package.size_px)
    for _ in range(WARM_UP):
        engine(tensor)
    times_ms = []
    for _ in range(RUNS):
        start = time.perf_counter()
        engine(tensor)
        times_ms.append((time.perf_counter() - start) * 1000)
    median_ms = statistics.median(times_ms)
    if median_ms > limit_ms:
        raise PackageError(
            f"{package.files[variant]} takes {median_ms:.1f} ms a reading here (median of {RUNS}), "
            f"at most {limit_ms:g} ms were wanted: take a smaller network, or allow more"
        )
    return (
        f"{package.folder}: every file is as it was packaged, the golden answer is {difference:.3f} "
        f"from the export's, {median_ms:.1f} ms a reading"
    )
