"""What the shipped model answers to the golden inputs -> golden_logits.json. For a new model: `make golden`.

python tests/golden_logits.py [PACKAGE OUTPUT]
"""

import json
import sys
from pathlib import Path
from typing import Any

from golden_inputs import golden_inputs

from edge.engines import SUFFIX, open_engine
from edge.engines.torchscript import TorchScriptEngine
from edge.package import DEFAULT_MODEL, Package, open_package
from edge.records import Engine

SHIPPED = Path(__file__).parent / "golden_logits.json"
Logits = dict[str, list[float]]  # by the input's name: 26 of them


def engine_of(package: Package, variant: str, threads: int = 1, kernels: str | None = None) -> Engine:
    """The engine that runs a variant; `kernels`: torch's, where it is TorchScript."""
    if package.file(variant).suffix == SUFFIX["torchscript"]:
        return TorchScriptEngine(package, variant, threads, kernels)
    return open_engine("onnx", package, variant, threads)


def logits_of(package: Package, engine: Engine) -> Logits:
    """The letter logits for every golden input."""
    inputs = golden_inputs(package.size_px)
    answers = {name: engine(tensor) for name, tensor in inputs.items()}
    if package.reads_upright:
        answers |= {f"upright {name}": engine(tensor, upright=True) for name, tensor in inputs.items()}
    return {name: [round(float(x), 5) for x in answer.letters[0]] for name, answer in answers.items()}


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
