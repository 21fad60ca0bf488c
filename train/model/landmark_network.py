"""The landmark network as a part of ours: what it sees of a hand, and where its points are.

Its weights are those of the file that `train.model.landmarker` names. They have seen far more hands than any
data of ours: all but its last blocks stay as they are.
"""

from collections.abc import Iterable

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from edge.records import N_LANDMARKS
from train.model.landmarker import FILE, LATE, NUMBERS_A_POINT, POINTS, SIZE_PX

LAST_MAP = "at_32"  # its name in the file


class HandNetwork(nn.Module):
    """(N, 3, S, S) RGB 0..1 -> features (N, 1152), points (N, 21, 2) fractions; S is 224, where it is good.

    The convolutions are built from the file's list: a step is a convolution, a limit to 0..6, or a sum.
    """

    def __init__(self) -> None:
        super().__init__()
        graph = onnx.load(str(FILE)).graph
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        known_as = {graph.input[0].name: "image"}  # what a tensor is once copies and casts are left out
        self._steps: list[tuple[str, list[str], str]] = []
        convs: list[nn.Module] = []
        says: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # weight and bias by output
        for node in graph.node:
            takes = [known_as.get(name, name) for name in node.input]
            if node.op_type in ("Identity", "Cast"):
                if node.output[0] == LATE:
                    self._late = takes[0]
                if node.output[0] == LAST_MAP:
                    self._last = takes[0]
                if node.output[0] == POINTS:
                    self.points = _linear(*map(_flat, says[takes[0]]))
                known_as[node.output[0]] = takes[0]
                continue
            if node.op_type == "Gemm":
                says[node.output[0]] = arrays[takes[1]], arrays[takes[2]]
                continue
            if node.op_type == "Conv":
                convs.append(_conv(node, arrays[takes[1]], arrays[takes[2]]))
                takes = takes[:1]
            self._steps.append((node.op_type, takes, node.output[0]))
        self.convs = nn.ModuleList(convs)
        made = [gives for _, _, gives in self._steps]
        self._early_steps = made.index(self._late) + 1  # those before the last blocks
        self._early_convs = sum(kind == "Conv" for kind, _, _ in self._steps[: self._early_steps])
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.last_blocks(self.late(x))

    def late(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 192, S / 32, S / 32), what the last blocks see of it."""
        early = self._steps[: self._early_steps]
        return _run(early, self.convs[: self._early_convs], {"image": x})[self._late]

    def last_blocks(self, late: Tensor) -> tuple[Tensor, Tensor]:
        """That map -> features and points, as `forward`."""
        rest = self._steps[self._early_steps :]
        maps = _run(rest, self.convs[self._early_convs :], {self._late: late})
        features = maps[self._last].mean(dim=(2, 3))
        return features, self.points(features).reshape(-1, N_LANDMARKS, 2)

    def late_parameters(self) -> list[nn.Parameter]:
        """Those of the last blocks."""
        return [*self.convs[self._early_convs :].parameters(), *self.points.parameters()]


def _run(
    steps: list[tuple[str, list[str], str]], convs: Iterable[nn.Module], maps: dict[str, Tensor]
) -> dict[str, Tensor]:
    """`maps` and what the steps make of them; each convolution takes the next of `convs`."""
    convs = iter(convs)
    for kind, takes, gives in steps:
        if kind == "Conv":
            maps[gives] = next(convs)(maps[takes[0]])
        elif kind == "Clip":
            maps[gives] = F.relu6(maps[takes[0]])
        elif kind == "Add":
            maps[gives] = maps[takes[0]] + maps[takes[1]]
    return maps


def _conv(node: onnx.NodeProto, weight: np.ndarray, bias: np.ndarray) -> nn.Conv2d:
    """TensorFlow pads one more behind than in front; so do equal pads with a kernel whose first row and
    column are zero, and every runtime has those."""
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


def _flat(rows: np.ndarray) -> np.ndarray:
    """(63, ...) for x, y and depth in px -> (42, ...) for x and y in shares of the side."""
    pairs = rows.astype(np.float32).reshape(N_LANDMARKS, NUMBERS_A_POINT, -1)[:, :2] / SIZE_PX
    return pairs.reshape(2 * N_LANDMARKS, *rows.shape[1:])


def _linear(weight: np.ndarray, bias: np.ndarray) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    _fill(layer, weight, bias)
    return layer


def _fill(layer: nn.Conv2d | nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
        assert layer.bias is not None
        layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
