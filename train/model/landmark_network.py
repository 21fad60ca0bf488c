"""The landmark network as a torch module inside ours: features of a hand, and its landmarks.

The weights come from the file that `train.model.landmarker` names. They were trained on far more hands than
any data here, so all but the last blocks stay frozen.
"""

from collections.abc import Iterable

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from edge.records import N_LANDMARKS
from train.model.landmarker import FILE, LANDMARKS, MIDDLE, SIZE_PX, VALUES_PER_LANDMARK

LAST_MAP = "at_32"  # its name in the file
Step = tuple[str, list[str], str]  # operator, inputs, output


class HandNetwork(nn.Module):
    """(N, 3, S, S) RGB 0..1 -> features (N, 1152), landmarks (N, 21, 2) fractions; S is best at 224.

    The graph of the file is run step by step: a convolution, a clip to 0..6, or a sum.
    """

    def __init__(self) -> None:
        super().__init__()
        graph = onnx.load(str(FILE)).graph
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        aliases = {graph.input[0].name: "image"}  # a copy's or cast's output -> the tensor that it copies
        self._steps: list[Step] = []
        convs: list[nn.Module] = []
        gemms: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # output -> weight and bias
        for node in graph.node:
            inputs = [aliases.get(name, name) for name in node.input]
            if node.op_type in ("Identity", "Cast"):
                if node.output[0] == MIDDLE:
                    self._middle = inputs[0]
                if node.output[0] == LAST_MAP:
                    self._last = inputs[0]
                if node.output[0] == LANDMARKS:  # named `points` in every checkpoint
                    self.points = _build_linear(*map(_keep_xy, gemms[inputs[0]]))
                aliases[node.output[0]] = inputs[0]
                continue
            if node.op_type == "Gemm":
                gemms[node.output[0]] = arrays[inputs[1]], arrays[inputs[2]]
                continue
            if node.op_type == "Conv":
                convs.append(_build_conv(node, arrays[inputs[1]], arrays[inputs[2]]))
                inputs = inputs[:1]
            self._steps.append((node.op_type, inputs, node.output[0]))
        self.convs = nn.ModuleList(convs)
        outputs = [output for _, _, output in self._steps]
        self._n_first_steps = outputs.index(self._middle) + 1  # before the last blocks
        self._n_first_convs = sum(kind == "Conv" for kind, _, _ in self._steps[: self._n_first_steps])
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.last_blocks(self.first_blocks(x))

    def first_blocks(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 80, S / 16, S / 16), the input of the last blocks."""
        steps = self._steps[: self._n_first_steps]
        return _run(steps, self.convs[: self._n_first_convs], {"image": x})[self._middle]

    def last_blocks(self, middle: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and landmarks, as `forward`, from the output of `middle`."""
        steps = self._steps[self._n_first_steps :]
        maps = _run(steps, self.convs[self._n_first_convs :], {self._middle: middle})
        features = maps[self._last].mean(dim=(2, 3))
        return features, self.points(features).reshape(-1, N_LANDMARKS, 2)

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the last blocks."""
        return [*self.convs[self._n_first_convs :].parameters(), *self.points.parameters()]


def _run(steps: list[Step], convs: Iterable[nn.Module], maps: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the output of every step to `maps`; each convolution takes the next of `convs`."""
    convs = iter(convs)
    for kind, inputs, output in steps:
        if kind == "Conv":
            maps[output] = next(convs)(maps[inputs[0]])
        elif kind == "Clip":
            maps[output] = F.relu6(maps[inputs[0]])
        elif kind == "Add":
            maps[output] = maps[inputs[0]] + maps[inputs[1]]
    return maps


def _build_conv(node: onnx.NodeProto, weight: np.ndarray, bias: np.ndarray) -> nn.Conv2d:
    """Build a convolution with equal padding.

    TensorFlow pads one more at the end than at the start. Equal padding gives the same result if the
    kernel's first row and column are zero, and every runtime supports it.
    """
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    top, left, bottom, right = given["pads"]
    weight = np.pad(weight, ((0, 0), (0, 0), (bottom - top, 0), (right - left, 0)))
    conv = nn.Conv2d(
        weight.shape[1] * given["group"],
        weight.shape[0],
        weight.shape[2:],
        stride=tuple(given["strides"]),
        groups=given["group"],
        padding=(bottom, right),
    )
    _fill(conv, weight, bias)
    return conv


def _keep_xy(rows: np.ndarray) -> np.ndarray:
    """(63, ...) for x, y and depth in px -> (42, ...) for x and y in fractions of the side."""
    pairs = rows.astype(np.float32).reshape(N_LANDMARKS, VALUES_PER_LANDMARK, -1)[:, :2] / SIZE_PX
    return pairs.reshape(2 * N_LANDMARKS, *rows.shape[1:])


def _build_linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    _fill(layer, weight, bias)
    return layer


def _fill(layer: nn.Conv2d | nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
        assert layer.bias is not None
        layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
