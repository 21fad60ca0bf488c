"""No input may saturate the 16-bit sums of x86 processors without VNNI.

The kernel for these processors (vpmaddubsw) multiplies neighbouring activations, 0 to 255, by their weights
and adds the two products in 16 bits: 255 * 127 * 2 is twice the range, but 255 * 64 * 2 just fits. So 7-bit
weights never saturate.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationMethod, QuantType
from support.golden_inputs import golden_inputs

from edge.models import DEFAULT_MODEL
from edge.package import UPRIGHT, open_package
from edge.records import Array
from export.conditional import inline_conditional
from export.quantize import Recipe, fold, quantise
from export.to_onnx import HELD, export_onnx
from train.model.network import AslNet

LARGEST = 2**15 - 1


def find_weights(model: onnx.ModelProto) -> list[tuple[str, np.ndarray]]:
    """Return the input tensor of each convolution, and its 8-bit weights (O, C, kh, kw)."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    sources = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"
    }
    return [
        (sources[node.input[0]], stored[sources[node.input[1]]])
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[0] in sources and sources.get(node.input[1]) in stored
    ]


def largest_pair(path: Path, inputs: list[Array]) -> int:
    """Return the largest |sum of two neighbouring channels' products| in any convolution."""
    model = inline_conditional(onnx.load(str(path)))
    weights = find_weights(model)
    kind, names = onnx.TensorProto.UINT8, sorted({name for name, _ in weights})
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, None) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    largest = 0
    extra_inputs = {UPRIGHT: HELD} if UPRIGHT in {argument.name for argument in session.get_inputs()} else {}
    for tensor in inputs:
        activations = dict(zip(names, session.run(names, {"image": tensor, **extra_inputs}), strict=True))
        for name, kernel in weights:
            maps = activations[name]
            channels = maps[0].reshape(maps.shape[1], -1).astype(np.int32)  # (C, H * W)
            taps = kernel.astype(np.int32).transpose(1, 0, 2, 3).reshape(maps.shape[1], -1)
            even = len(channels) & ~1  # the first convolution has three channels
            pairs = channels[:even].reshape(even // 2, 2, -1)
            peak = pairs.sum(axis=1).argmax(axis=1)  # where their sum is largest
            strongest = np.take_along_axis(pairs, peak[:, None, None], axis=2)  # (pairs, 2, 1)
            sums = (strongest * taps[:even].reshape(even // 2, 2, -1)).sum(axis=1)
            largest = max(largest, int(np.abs(sums).max()))
    return largest


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a ResNet-18 in float32, with batch norm set from the golden hands and folded."""
    folder = tmp_path_factory.mktemp("saturation")
    torch.manual_seed(0)
    model = AslNet().train()
    hands = [tensor for name, tensor in golden_inputs(128).items() if name.startswith("hand-")]
    with torch.no_grad():
        for _ in range(10):
            model(torch.from_numpy(np.concatenate(hands)))
    export_onnx(model.eval(), 128, folder / "float.onnx", hands[:1])
    fold(folder / "float.onnx", folder / "folded.onnx")
    return folder / "folded.onnx"


@pytest.mark.slow
@pytest.mark.parametrize("reduce_range", [False, True])
def test_loud_input_saturates_weights_of_8_bits_and_not_of_7(folded: Path, reduce_range: bool) -> None:
    tensors = golden_inputs(128)
    loud = [tensor for name, tensor in tensors.items() if name.startswith("loud-")]
    calibration = [tensor for name, tensor in tensors.items() if name.startswith("hand-")]
    recipe = Recipe(QuantType.QUInt8, reduce_range, CalibrationMethod.MinMax)
    output = folded.with_name(f"{reduce_range}.onnx")
    quantise(folded, output, recipe, calibration)
    assert (largest_pair(output, loud) > LARGEST) is not reduce_range


def test_shipped_model_cannot_saturate() -> None:
    weights = find_weights(inline_conditional(onnx.load(str(open_package(DEFAULT_MODEL).file("int8")))))
    assert len(weights) >= 20 - 1  # the convolutions of ResNet-18, except one that may stay float
    for name, kernel in weights:
        assert np.abs(kernel.astype(np.int32)).max() * 255 * 2 <= LARGEST, name
