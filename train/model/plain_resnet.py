"""A ResNet-18 that was trained elsewhere, as a network of ours: for a plain state_dict like asl_model.pth.

It knows letters only. Hand and landmarks come from MediaPipe's network, as it was published.
"""

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torchvision.models import resnet18

from edge.errors import DataError
from edge.hand.view import UPRIGHT_WEIGHT
from edge.records import Array
from train.model.checkpoint import Checkpoint, load_checkpoint, read_tensors
from train.model.landmarker import FILE
from train.model.network import LANDMARK_WEIGHT, N_LETTERS, AslNet, LandmarkHead

SIZE_PX = 224
PRESENCE = "output_1"  # in the landmark network's file, a sigmoid
PRESENCE_THRESHOLD = 0.5
# A view of the hand turned upright says nothing about the letter here, and would flatten the other view's
# probabilities.
TEMPERATURE = 1 / (1 + UPRIGHT_WEIGHT)
ORIGIN = (
    "is a plain state_dict: letters A to Z in alphabetical order, 224 px and ImageNet's mean and standard "
    "deviation are assumed; hand and landmarks come from MediaPipe's network; what it was trained on, and "
    "how sure it may be, is not known"
)


class PlainNet(AslNet):
    """Our network with a ResNet that reads the whole square, as torchvision's does."""

    def trunk_input(self, x: Tensor) -> Tensor:
        return x


def load_any_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint of fit, or a plain ResNet-18 with 26 outputs; raise DataError for all else."""
    state = read_tensors(path)
    if not _is_resnet18(state):
        return load_checkpoint(path)
    outputs = len(state["fc.bias"])
    if outputs != N_LETTERS:
        raise DataError(
            f"{path} is a ResNet-18 with {outputs} outputs, expected {N_LETTERS}, one for each letter from A "
            "to Z: train it on the letters alone"
        )
    return Checkpoint(
        model=_adopt(state).eval(),
        size_px=SIZE_PX,
        temperature=TEMPERATURE,
        presence_threshold=PRESENCE_THRESHOLD,
        training={"origin": ORIGIN},
        history=[],
    )


def _is_resnet18(state: Any) -> bool:
    """Return whether these are the tensors of torchvision's ResNet-18, with any number of outputs."""
    if not isinstance(state, dict):
        return False
    expected = resnet18().state_dict()
    # torch before 0.4.1 counted no batches
    missing = {name for name in expected if not name.endswith("num_batches_tracked")} - set(state)
    return (
        not missing
        and set(state) <= set(expected)
        and all(isinstance(value, Tensor) for value in state.values())
        and all(state[name].shape == expected[name].shape for name in state if not name.startswith("fc."))
        and state["fc.weight"].shape == (len(state["fc.bias"]), expected["fc.weight"].shape[1])
    )


@torch.no_grad()
def _adopt(state: dict[str, Tensor]) -> PlainNet:
    """Return a network whose letters are the ResNet's, and whose presence and landmarks are MediaPipe's."""
    model = PlainNet()
    trunk = {name: value for name, value in state.items() if not name.startswith("fc.")}
    model.trunk.load_state_dict(trunk, strict=False)
    last, part = model.trunk.fc, 1 - LANDMARK_WEIGHT  # of the ResNet's logits in the sum of both parts
    last.weight.zero_()
    last.bias.zero_()
    n_features = state["fc.weight"].shape[1]  # the means, which come before the positions
    last.weight[:N_LETTERS, :n_features] = state["fc.weight"] / part
    last.bias[:N_LETTERS] = state["fc.bias"] / part
    weight, bias = _read_presence()
    for head, weight_in_sum in ((model.reading, LANDMARK_WEIGHT), (model.upright, 1.0)):
        _fill_presence(head, torch.from_numpy(weight), torch.from_numpy(bias), weight_in_sum)
    return model


def _fill_presence(head: LandmarkHead, weight: Tensor, bias: Tensor, weight_in_sum: float) -> None:
    """Let a head give MediaPipe's presence: x = relu(x) - relu(-x) passes through its hidden layer."""
    assert head.norm.running_mean is not None
    assert head.norm.running_var is not None
    head.norm.running_mean.zero_()
    head.norm.running_var.fill_(1 - head.norm.eps)
    hidden = head.hidden[1]
    assert isinstance(hidden, nn.Linear)
    for parameter in (hidden.weight, hidden.bias, head.fc.weight, head.fc.bias):
        parameter.zero_()
    hidden.weight[:2] = torch.cat([weight, -weight])
    hidden.bias[:2] = torch.cat([bias, -bias])
    head.fc.weight[N_LETTERS, :2] = torch.tensor([1.0, -1.0]) / weight_in_sum


def _read_presence() -> tuple[Array, Array]:
    """Return weight (1, 1152) and bias (1,) of the layer that gives the logit of presence."""
    graph = onnx.load(str(FILE)).graph
    made_by = {node.output[0]: node for node in graph.node}
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    node = made_by[PRESENCE]
    while node.op_type != "Gemm":
        node = made_by[node.input[0]]
    weight, bias = (
        numpy_helper.to_array(arrays[name if name in arrays else made_by[name].input[0]]).astype("float32")
        for name in node.input[1:]
    )
    return weight, bias
