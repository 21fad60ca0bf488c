"""`asl-edge check`: may this package replace the one that runs here? What an update asks first."""

from edge.engines.golden import check_golden, reading_ms
from edge.errors import PackageError
from edge.package import Package
from edge.records import Engine

WARM_UP, RUNS = 3, 20


def check_package(engine: Engine, package: Package, variant: str, limit_ms: float) -> str:
    """What was found, as one line. PackageError for a wrong golden answer or a median over `limit_ms`."""
    difference = check_golden(engine, package, variant)
    median_ms = reading_ms(engine, package.size_px, WARM_UP, RUNS)
    if not median_ms <= limit_ms:  # a limit that is no number allows nothing
        raise PackageError(
            f"{package.files[variant]} takes {median_ms:.1f} ms a reading here (median of {RUNS}), "
            f"at most {limit_ms:g} ms were wanted: take a smaller network, or allow more"
        )
    return (
        f"{package.folder}: every file is as it was packaged, the golden answer is {difference:.3f} "
        f"from the export's, {median_ms:.1f} ms a reading"
    )
