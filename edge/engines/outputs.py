"""Check what a network answers, in any runtime."""

from pathlib import Path

import numpy as np

from edge.errors import EngineError
from edge.package import AGAIN
from edge.records import Output


def check_finite(output: Output, path: Path) -> Output:
    """Return the output. Raises EngineError if it holds NaN or infinity, which no letter can be read from."""
    if not all(np.isfinite(part).all() for part in (output.letters, output.presence, output.landmarks)):
        raise EngineError(f"{path} answers with NaN or infinity: {AGAIN}")
    return output
