"""Export the network as asl_resnet18.onnx: float32, for every runtime that a board may have."""

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
from edge.package import FEATURES, INPUT_NAME, OUTPUT_SHAPES, UPRIGHT, UPRIGHT_SHAPE
from edge.records import Array
from train.model.network import N_LETTERS, AslNet, select

HELD, TURNED = np.zeros(UPRIGHT_SHAPE, np.float32), np.ones(UPRIGHT_SHAPE, np.float32)  # values of UPRIGHT
# Opset 13 is the first with a scale per channel for quantised weights, and the newest that TensorRT 8.2
# (JetPack 4.6) reads. onnxruntime 1.10, the last for the Python of the original Jetson Nano, reads opset 15
# and IR 8 at most.
OPSET = 13
MAX_OPSET, MAX_IR = 15, 8
# torch and onnxruntime differ only in the order of their float32 sums; logits are of the order of 10.
TOLERANCE = 1e-3


def feed(tensor: Array, upright: Array = HELD) -> dict[str, Array]:
    """Return the inputs of a session for a square."""
    return {INPUT_NAME: tensor, UPRIGHT: upright}


class WithFeatures(nn.Module):
    """The network as a device gets it, with the last layers of both parts merged.

    (1, 3, S, S) and (1,), 1 if the square was turned -> letters, presence, landmarks, and the features
    (1, F) that the last layer reads, from which a device learns corrections.
    """

    def __init__(self, model: AslNet) -> None:
        super().__init__()
        self.model = model
        self.last, self.last_upright = model.last_layers()

    def forward(self, x: Tensor, upright: Tensor) -> tuple[Tensor, ...]:
        features, landmarks = self.model.features(x, upright)
        logits = select(self.last(features), self.last_upright(features), upright)
        return logits[:, :N_LETTERS], logits[:, N_LETTERS:], landmarks, features


def run_reference(model: AslNet, tensor: Array, upright: Array) -> tuple[Tensor, ...]:
    """Return the expected outputs for a square, from the network as it was trained."""
    image, turned = torch.from_numpy(tensor), torch.from_numpy(upright)
    with torch.inference_mode():
        return *model(image, turned), model.features(image, turned)[0]


def export_onnx(model: AslNet, size_px: int, path: Path, inputs: Sequence[Array]) -> float:
    """Write `path` and return its largest difference from torch over `inputs`, each (1, 3, S, S) float32.

    The input shape is static, and the exporter folds batch norms. Raises DataError beyond TOLERANCE.
    """
    with warnings.catch_warnings():
        # The exporter without dynamo is deprecated, but the one with dynamo writes opset 18 and IR 10.
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
    difference = find_largest_difference(model, path, inputs)
    if not difference <= TOLERANCE:
        raise DataError(
            f"the outputs of {path.name} may differ by {TOLERANCE} from the checkpoint, got "
            f"{difference:.2g}: "
            "the network has diverged (infinite weights?) or this torch exports it wrongly"
        )
    return difference


def write_checked(model: onnx.ModelProto, path: Path) -> None:
    """Write a model if it has standard operators only, and the expected opset, IR version and outputs.

    onnxruntime's tools list every operator set that they know. Unused ones are removed, because other
    runtimes refuse sets that they don't know. Raises DataError if the model does not fit.
    """
    domains = {node.domain for node in model.graph.node}
    if foreign := domains - {"", "ai.onnx"}:
        raise DataError(f"{path.name} must hold standard operators only, got operators of {min(foreign)}")
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = min(model.ir_version, MAX_IR)  # 8 has all that opset 15 needs
    onnx.checker.check_model(model, full_check=True)
    opset = kept[0].version
    if opset > MAX_OPSET:
        raise DataError(
            f"{path.name} must have opset {MAX_OPSET} or less for older boards, got opset {opset}"
        )
    shapes = {o.name: [d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
    if {name: shape for name, shape in shapes.items() if name != FEATURES} != OUTPUT_SHAPES:
        raise DataError(f"{path.name} must have outputs {OUTPUT_SHAPES}, got {shapes}")
    path.write_bytes(model.SerializeToString())


def read_features_shape(path: Path) -> list[int]:
    """Return the shape [1, F] of the features in a file."""
    outputs = {o.name: o for o in onnx.load(str(path), load_external_data=False).graph.output}
    return [d.dim_value for d in outputs[FEATURES].type.tensor_type.shape.dim]


def read_versions(path: Path) -> tuple[int, int]:
    """Return the opset and the IR version of a file."""
    model = onnx.load(str(path), load_external_data=False)
    return model.opset_import[0].version, model.ir_version


def find_largest_difference(model: AslNet, path: Path, inputs: Sequence[Array]) -> float:
    """Compare torch with onnxruntime over all outputs and inputs, both as held and as turned."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for tensor, upright in itertools.product(inputs, (HELD, TURNED)):
        expected = run_reference(model, tensor, upright)
        got = session.run([*OUTPUT_SHAPES, FEATURES], feed(tensor, upright))
        differences = [np.abs(g - e.numpy()).max() for g, e in zip(got, expected, strict=True)]
        worst = max(worst, *map(float, differences)) if np.isfinite(differences).all() else np.inf
    return worst
