"""The golden input: a computed picture whose output is packaged with the model.

A device whose output agrees with the workstation's runs the right model correctly.
"""

import statistics
import time

import numpy as np

from edge.errors import PackageError
from edge.package import AGAIN, Package
from edge.preprocess import to_tensor
from edge.records import Array, Engine, Image

# Letter logits may differ by this much between machines, because kernels add in another order and int8
# kernels round their sums differently. The export holds its engines to the same limit.
TOLERANCE = 0.5


def golden_picture(size_px: int) -> Image:
    """Return (S, S, 3) uint8, from integer arithmetic only: the same bytes on every machine."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.int64) * 256 // size_px
    rings = ((x - 128) ** 2 + (y - 96) ** 2) // 64 % 256
    return np.stack([rings, (x * 3 + y) % 256, (x * y) // 256], axis=-1).astype(np.uint8)


def golden_tensor(size_px: int) -> Array:
    """Return the golden picture as (1, 3, S, S) float32."""
    return to_tensor(golden_picture(size_px))


def measure_inference_ms(engine: Engine, size_px: int, warm_up: int, runs: int) -> float:
    """Return the median milliseconds of `runs` inferences on the golden input, after `warm_up` others."""
    tensor = golden_tensor(size_px)
    times_ms = []
    for _ in range(warm_up + runs):
        started_s = time.perf_counter()
        engine(tensor)
        times_ms.append(1000 * (time.perf_counter() - started_s))
    return statistics.median(times_ms[warm_up:])


def check_golden(engine: Engine, package: Package, variant: str) -> float:
    """Return the largest difference of the letter logits from those at export.

    Raises PackageError if it exceeds TOLERANCE.
    """
    got = engine(golden_tensor(package.size_px)).letters[0]
    try:
        expected = np.asarray(package.metadata["golden"]["letters"][variant], np.float32).reshape(got.shape)
    except (KeyError, TypeError, ValueError):
        raise PackageError(f"{package.folder} holds no golden answer of {variant}: {AGAIN}") from None
    difference = float(np.abs(got - expected).max())
    if not difference <= TOLERANCE:
        raise PackageError(
            f"{package.files[variant]} answers the golden input {difference:.2f} off the export's answer, "
            f"expected at most {TOLERANCE}: export it again, or report this machine's processor"
        )
    return difference
