"""What the shipped model answers to the golden inputs -> golden_logits.json. For a new model: `make golden`.

python tests/golden_logits.py [PACKAGE OUTPUT]
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
Logits = dict[str, list[float]]  # by the input's name: 26 of them

# How far a logit may lie from the expected one, as a share of the input's largest.
# float: sums in another order.
# int8: its sums are whole numbers and the same everywhere, but what it gets from the convolutions that stay
# float is not, and a value between two of 255 steps may fall to the other side, in each of 70 layers. An
# input changed by a millionth of itself is answered up to 0.13 away on one and the same machine.
# dynamic: x86 rounds what the last layer gets to 7 bits, ARM's qnnpack to 8.
TOLERANCE = {"float": 1e-4, "int8": 0.2, "dynamic": 0.04}
UPRIGHT_EVERY = 6  # inputs: an upright look has the last layers to itself and shares all others


def engine_of(package: Package, variant: str, threads: int = 1, kernels: str | None = None) -> Engine:
    """The engine that runs a variant; `kernels`: torch's, where it is TorchScript."""
    if package.runtime(variant) == "torchscript":
        return TorchScriptEngine(package, variant, threads, kernels)
    return open_engine(package, variant, threads)


def logits_of(package: Package, engine: Engine, every: int = 1) -> Logits:
    """The letter logits for the golden inputs, or for some of them."""
    inputs = list(golden_inputs(package.size_px).items())
    answers = {name: engine(tensor) for name, tensor in inputs[::every]}
    if package.reads_upright:
        upright = inputs[:: UPRIGHT_EVERY * every]
        answers |= {f"upright {name}": engine(tensor, upright=True) for name, tensor in upright}
    return {name: [round(float(x), 5) for x in answer.letters[0]] for name, answer in answers.items()}


def unlike(answers: Logits, wanted: Logits, variant: str) -> list[str]:
    """What is wrong with answers: a logit beyond the tolerance, or another letter."""
    wrong = []
    for name, answer in answers.items():
        got, logits = np.array(answer, np.float32), np.array(wanted[name], np.float32)
        allowed = TOLERANCE[variant] * max(1.0, float(np.abs(logits).max()))
        difference = float(np.abs(got - logits).max())
        if not difference <= allowed:
            wrong.append(f"{name}: {difference:.4f} from what was expected, {allowed:.4f} allowed")
        if is_hand(name) and got.argmax() != logits.argmax():
            wrong.append(f"{name}: another letter")
    return wrong


def is_hand(name: str) -> bool:
    """Whether the input has a letter; what shows no hand may lie between two."""
    return name.startswith("hand-")


def expected(package: Package) -> dict[str, Any]:
    """By variant: the file that answered, and what it answered."""
    return {
        variant: {
            "sha256": package.metadata["files"][variant]["sha256"],
            "logits": logits_of(package, engine_of(package, variant)),
        }
        for variant in package.files
    }


def main(folder: Path = DEFAULT_MODEL, output: Path = SHIPPED) -> None:
    """Writes the file: a line for each input."""
    text = json.dumps(expected(open_package(folder)), indent=1)
    # 26 numbers in a line, not in 26
    lines = text.replace(",\n    ", ", ").replace("[\n    ", "[").replace("\n   ]", "]")
    output.write_text(lines + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
