"""The network -> asl_resnet18.onnx: float32, for every runtime that a board may have."""

import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from edge.errors import DataError
from edge.package import FEATURES, OUTPUT_SHAPES, UPRIGHT, UPRIGHT_SHAPE
from edge.records import Array
from train.model.network import N_LETTERS, AslNet, either

INPUT_NAME = "image"
AS_IT_IS, TURNED = np.zeros(UPRIGHT_SHAPE, np.float32), np.ones(UPRIGHT_SHAPE, np.float32)  # for UPRIGHT
# 13 is the first opset whose quantised form has a scale per channel, and the newest that TensorRT 8.2
# (JetPack 4.6) reads. onnxruntime 1.10, the last for the original Jetson Nano's own Python, ends at opset 15
# and IR 8.
OPSET = 13
MAX_OPSET, MAX_IR = 15, 8
# Both compute in float32 and differ in the order of their sums alone; logits are of the order of 10.
TOLERANCE = 1e-3


def feed(tensor: Array, upright: Array = AS_IT_IS) -> dict[str, Array]:
    """What a session is given of a square."""
    return {INPUT_NAME: tensor, UPRIGHT: upright}


class WithFeatures(nn.Module):
    """The network as a device gets it: (1, 3, S, S) and (1,) whether they were turned -> its three answers,
    and the (1, F) features that the last layer computes letters and presence from, on which a device is
    taught."""

    def __init__(self, model: AslNet) -> None:
        super().__init__()
        self.model = model
        self.last, self.last_upright = model.last_layers()

    def forward(self, x: Tensor, upright: Tensor) -> tuple[Tensor, ...]:
        features, points = self.model.features(x, upright)
        said = either(self.last(features), self.last_upright(features), upright)
        return said[:, :N_LETTERS], said[:, N_LETTERS:], points, features


def answers_of(model: AslNet, tensor: Array, upright: Array) -> tuple[Tensor, ...]:
    """What a device is to get of a square, by the network as it was trained, last layers not merged."""
    image, turned = torch.from_numpy(tensor), torch.from_numpy(upright)
    with torch.inference_mode():
        return *model(image, turned), model.features(image, turned)[0]


def export_onnx(model: AslNet, size_px: int, path: Path, inputs: Sequence[Array]) -> float:
    """Write `path` -> the largest difference from torch over `inputs`, each (1, 3, S, S) float32.

    DataError beyond TOLERANCE. The input is static (1, 3, S, S); batch norm is folded by the exporter.
    """
    with warnings.catch_warnings():
        # The exporter without dynamo is deprecated; the one with it turns opset 13 into 18 and IR 10.
        warnings.filterwarnings(
            "ignore", "You are using the legacy TorchScript-based ONNX", DeprecationWarning
        )
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        torch.onnx.export(
            WithFeatures(model).eval(),
            (torch.zeros(1, 3, size_px, size_px), torch.zeros(UPRIGHT_SHAPE)),
            str(path),
            input_names=[INPUT_NAME, UPRIGHT],
            output_names=[*OUTPUT_SHAPES, FEATURES],
            opset_version=OPSET,
            dynamo=False,
        )
    write_checked(onnx.load(str(path)), path)
    difference = largest_difference(model, path, inputs)
    if not difference <= TOLERANCE:
        raise DataError(
            f"{path.name} answers {difference:.2g} away from the checkpoint (at most {TOLERANCE}): "
            "the network has diverged (infinite weights?) or this torch exports it wrongly"
        )
    return difference


def write_checked(model: onnx.ModelProto, path: Path) -> None:
    """Write a model of standard operators alone, of our opset, IR and outputs; DataError where it is not one.

    onnxruntime's tools list every operator set that they know; those that no node uses are taken out,
    because other runtimes refuse what they can't name.
    """
    domains = {node.domain for node in model.graph.node}
    if foreign := domains - {"", "ai.onnx"}:
        raise DataError(f"{path.name} holds operators of {min(foreign)}, which only onnxruntime can read")
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = min(model.ir_version, MAX_IR)  # 8 has all that opset 15 needs; the checker agrees
    onnx.checker.check_model(model, full_check=True)
    opset = kept[0].version
    if opset > MAX_OPSET:
        raise DataError(f"{path.name} came out with opset {opset}; older boards read at most {MAX_OPSET}")
    shapes = {o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    if {name: shape for name, shape in shapes.items() if name != FEATURES} != OUTPUT_SHAPES:
        raise DataError(f"{path.name} came out with outputs {shapes}, not {OUTPUT_SHAPES}")
    path.write_bytes(model.SerializeToString())


def features_shape(path: Path) -> list[int]:
    """[1, F] of a file."""
    outputs = {o.name: o for o in onnx.load(str(path), load_external_data=False).graph.output}
    return [d.dim_value for d in outputs[FEATURES].type.tensor_type.shape.dim]


def versions_of(path: Path) -> tuple[int, int]:
    """Opset and IR version of a file."""
    model = onnx.load(str(path), load_external_data=False)
    return model.opset_import[0].version, model.ir_version


def largest_difference(model: AslNet, path: Path, inputs: Sequence[Array]) -> float:
    """Over all outputs and all inputs, as they are and as if turned, between torch and onnxruntime."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for tensor, upright in itertools.product(inputs, (AS_IT_IS, TURNED)):
        wanted = answers_of(model, tensor, upright)
        got = session.run([*OUTPUT_SHAPES, FEATURES], feed(tensor, upright))
        differences = [np.abs(g - w.numpy()).max() for g, w in zip(got, wanted, strict=True)]
        worst = max(worst, *map(float, differences)) if np.isfinite(differences).all() else np.inf
    return worst
