"""`python -m export.widen DIR --output DIR`: add the variant float to a package of int8, for TensorRT.

The weights of int8 are written as float32. Where int8 rounds and limits an activation, float limits it to the
same range and does not round. So the float file reads as int8 does, and is four times as large.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edge.engines.golden import golden_tensor
from edge.errors import DataError
from edge.package import METADATA_NAME, Package, open_package
from edge.records import Array
from export.conditional import inline_conditional
from export.golden_pictures import file_names, write_golden_pictures
from export.metadata import describe_files, write_metadata
from export.model_card import NAME as CARD_NAME
from export.replace import replaced_package
from export.to_onnx import write_checked
from export.verify import check_golden_outputs, open_variant
from train.command_line import HelpFormatter, Parser, run_command

QUANTISATION = "none: widened from int8, which limits the activations"
Weights = dict[str, npt.NDArray[Any]]


def main(argv: list[str] | None = None) -> int:
    """Widen the package that the flags name and return the exit code."""
    parser = Parser(
        prog="python -m export.widen", description=__doc__.split("\n\n")[1], formatter_class=HelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="deployment package with int8")
    parser.add_argument("--output", type=Path, metavar="DIR", required=True, help="folder of the new package")
    args = parser.parse_args(argv)
    return run_command("widen", lambda: _widen(args.folder, args.output), f"{args.output} is unchanged")


def _widen(folder: Path, output: Path) -> int:
    package = open_package(folder)
    if "float" in package.files or "int8" not in package.files:
        raise DataError(f"{folder} holds {', '.join(package.files)}; widen takes int8 and adds float")
    int8 = package.file("int8").name
    name = int8.replace(".int8", "") if ".int8" in int8 else f"float-{int8}"
    with replaced_package(output) as partial:
        write_checked(widen_model(onnx.load(str(folder / int8))), partial / name)
        kept = [int8, *([CARD_NAME] if (folder / CARD_NAME).is_file() else [])]
        for file in kept:
            shutil.copy2(folder / file, partial / file)
        _describe(package, partial, name, kept)
        check_golden_outputs(open_package(partial))
    size_mb = (output / name).stat().st_size / 1e6
    print(f"wrote {output / METADATA_NAME}: int8 as it was, and float in {name}, {size_mb:.0f} MB")
    return 0


def _describe(package: Package, partial: Path, name: str, kept: list[str]) -> None:
    """Write the metadata in two steps, because the golden answers need an engine, and an engine a package."""
    metadata = {key: value for key, value in package.metadata.items() if key != "golden_pictures"}
    metadata["files"] = {
        "int8": package.metadata["files"]["int8"],
        "float": {"name": name, "quantisation": QUANTISATION},
    }
    metadata["contents"] = describe_files(partial, [*kept, name])
    write_metadata(partial, metadata)
    opened = open_package(partial)
    engines = {variant: open_variant(opened, variant) for variant in opened.files}
    letters = engines["float"](golden_tensor(package.size_px)).letters[0]
    golden = metadata["golden"]
    answers = {"int8": golden["letters"]["int8"], "float": [round(float(logit), 4) for logit in letters]}
    pictures = write_golden_pictures(partial, engines, package.spec)
    if not pictures:
        raise DataError(f"the widened network of {package.folder} reads too few drawn hands")
    metadata |= {
        "golden": golden | {"letters": answers},
        "golden_pictures": pictures,
        "contents": describe_files(partial, [*kept, name, *file_names(pictures)]),
    }
    write_metadata(partial, metadata)


def widen_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without QuantizeLinear and DequantizeLinear, and with every node in one list."""
    graph = inline_conditional(model).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    for node in graph.node:  # weights and scales that int8 stores in float16
        if node.op_type == "Cast" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]].astype(np.float32)
    nodes, widened = [], {name: weights[name] for name in weights if name in made_by}
    for node in graph.node:
        if node.op_type == "QuantizeLinear" or node.output[0] in widened:
            continue
        if node.op_type != "DequantizeLinear":
            nodes.append(node)
        elif node.input[0] in weights:
            widened[node.output[0]] = _dequantise(node, weights)
        else:
            nodes.append(_limit(made_by[node.input[0]], node.output[0], weights, widened))
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        [*kept, *(numpy_helper.from_array(value, key) for key, value in widened.items())]
    )
    return model


def _dequantise(node: onnx.NodeProto, weights: Weights) -> Array:
    """Return the weights that a DequantizeLinear makes, with one scale or one for each channel."""
    values, scale = weights[node.input[0]], weights[node.input[1]]
    zero = weights[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
    if scale.ndim == 1:
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        shape = [-1 if side == axis else 1 for side in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return np.asarray((values.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)


def _limit(
    quantise: onnx.NodeProto, output: str, weights: Weights, widened: dict[str, Array]
) -> onnx.NodeProto:
    """Return a Clip to the range of a QuantizeLinear, in place of it and the DequantizeLinear after it."""
    scale, zero = weights[quantise.input[1]], weights[quantise.input[2]]
    limits = np.iinfo(zero.dtype)
    names = [f"{output}_least", f"{output}_greatest"]
    for name, limit in zip(names, (limits.min, limits.max), strict=True):
        widened[name] = np.asarray((limit - float(zero)) * float(scale), np.float32)
    return helper.make_node("Clip", [quantise.input[0], *names], [output], name=f"{output}_limit")


if __name__ == "__main__":
    sys.exit(main())
