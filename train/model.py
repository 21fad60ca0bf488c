"""The network: torchvision's ResNet-18 with its last layer widened to three answers."""

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from edge.records import LETTERS, N_POINTS, Array, Engine, Output

N_LETTERS = len(LETTERS)
N_OUTPUTS = N_LETTERS + 1 + 2 * N_POINTS  # 26 letters, one presence, 42 coordinates


class AslNet(nn.Module):
    """(N, 3, S, S) float32 -> letters (N, 26) logits, presence (N, 1) logit, points (N, 21, 2) fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet18(num_classes=N_OUTPUTS)
        with torch.no_grad():  # every point starts near the crop's centre
            self.trunk.fc.weight[-2 * N_POINTS :] *= 0.1
            self.trunk.fc.bias[-2 * N_POINTS :] = 0.5

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        answers = self.trunk(x)  # (N, 69)
        points = answers[:, N_LETTERS + 1 :].reshape(-1, N_POINTS, 2)
        return answers[:, :N_LETTERS], answers[:, N_LETTERS : N_LETTERS + 1], points


def torch_engine(model: nn.Module, threads: int = 1) -> Engine:
    """A model in eval mode -> an Engine like those of the device: (N, 3, S, S) float32 -> Output."""
    torch.set_num_threads(threads)
    model = model.eval()

    def engine(tensor: Array) -> Output:
        with torch.inference_mode():
            letters, presence, points = model(torch.from_numpy(tensor))
        return Output(_array(letters), _array(presence[:, 0]), _array(points))

    return engine


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
