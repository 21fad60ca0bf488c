"""Write the logits of the shipped model for the golden inputs to golden_logits.json: `make golden`.

python tests/support/golden_logits.py [PACKAGE OUTPUT]
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge.engines import open_engine
from edge.engines.torchscript import TorchScriptEngine
from edge.models import DEFAULT_MODEL
from edge.package import Package, open_package
from edge.records import Engine
from support.golden_inputs import golden_inputs

SHIPPED = Path(__file__).parent / "golden_logits.json"
Logits = dict[str, list[float]]  # 26 per input, by its name

# Tolerance of a logit, as a fraction of the input's largest.
# float: sums are computed in another order.
# int8: integer sums are the same everywhere, but the outputs of the float convolutions differ, and a value
# between two of 255 steps may be rounded to the other one in each of 70 layers. On one machine, a change of
# the input by a millionth moves logits by up to 0.13.
# dynamic: x86 rounds the inputs of the last layer to 7 bits, ARM's qnnpack to 8.
TOLERANCE = {"float": 1e-4, "int8": 0.2, "dynamic": 0.04}
UPRIGHT_EVERY = 6  # every n-th input is also read as upright, where only the last layers differ


def open_variant(package: Package, variant: str, threads: int = 1, kernels: str | None = None) -> Engine:
    """Open the engine of a variant; `kernels` are torch's, for TorchScript."""
    if package.runtime(variant) == "torchscript":
        return TorchScriptEngine(package, variant, threads, kernels)
    return open_engine(package, variant, threads)


def compute_logits(package: Package, engine: Engine, every: int = 1) -> Logits:
    """Compute the letter logits for every golden input, or for every n-th."""
    inputs = list(golden_inputs(package.size_px).items())
    outputs = {name: engine(tensor) for name, tensor in inputs[::every]}
    if package.reads_upright:
        upright = inputs[:: UPRIGHT_EVERY * every]
        outputs |= {f"upright {name}": engine(tensor, upright=True) for name, tensor in upright}
    return {name: [round(float(x), 5) for x in output.letters[0]] for name, output in outputs.items()}


def find_differences(logits: Logits, expected: Logits, variant: str) -> list[str]:
    """Describe each input whose logits exceed the tolerance, or give another letter."""
    wrong = []
    for name in logits:
        got, reference = np.array(logits[name], np.float32), np.array(expected[name], np.float32)
        allowed = TOLERANCE[variant] * max(1.0, float(np.abs(reference).max()))
        difference = float(np.abs(got - reference).max())
        if not difference <= allowed:
            wrong.append(f"{name}: differs by {difference:.4f}, {allowed:.4f} allowed")
        if is_hand(name) and got.argmax() != reference.argmax():
            wrong.append(f"{name}: another letter")
    return wrong


def is_hand(name: str) -> bool:
    """Whether the input shows a hand; without a hand two letters may be equally likely."""
    return name.startswith("hand-")


def compute_expected(package: Package) -> dict[str, Any]:
    """Return the checksum of the file and its logits, by variant."""
    return {
        variant: {
            "sha256": package.sha256(variant),
            "logits": compute_logits(package, open_variant(package, variant)),
        }
        for variant in package.files
    }


def main(folder: Path = DEFAULT_MODEL, output: Path = SHIPPED) -> None:
    """Write the file, one line per input."""
    text = json.dumps(compute_expected(open_package(folder)), indent=1)
    # 26 numbers in one line
    lines = text.replace(",\n    ", ", ").replace("[\n    ", "[").replace("\n   ]", "]")
    output.write_text(lines + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
