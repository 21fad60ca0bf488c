"""The network: torchvision's ResNet-18 with its last layer widened to three answers."""

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from edge.records import LETTERS, N_POINTS, Array, Engine, Output

N_LETTERS = len(LETTERS)
N_OUTPUTS = N_LETTERS + 1 + 2 * N_POINTS  # 26 letters, one presence, 42 coordinates


Answers = tuple[Tensor, Tensor, Tensor]


class Moments(nn.Module):
    """(N, C, H, W) -> (N, 3 * C): each map's mean, and its means weighted by x and by y, both -1..1.

    The mean alone says what a map saw and not where; the 21 points are questions of where. At the same
    place in every size of picture, so that a network may be trained on small ones first.
    """

    def forward(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        across = torch.linspace(-1, 1, width, device=maps.device).expand(height, width)
        down = torch.linspace(-1, 1, height, device=maps.device)[:, None].expand(height, width)
        weights = torch.stack([torch.ones_like(across), across, down]).flatten(1) / (height * width)
        return (maps.flatten(2) @ weights.T).transpose(1, 2).flatten(1)


def answering_layer(channels: int) -> nn.Linear:
    """The last layer, on `Moments` of so many channels; every point starts near the crop's centre."""
    layer = nn.Linear(3 * channels, N_OUTPUTS)
    with torch.no_grad():
        layer.weight[-2 * N_POINTS :] *= 0.1
        layer.bias[-2 * N_POINTS :] = 0.5
    return layer


def split_answers(outputs: Tensor) -> Answers:
    """(N, 69) -> letters (N, 26) logits, presence (N, 1) logit, points (N, 21, 2) fractions of the crop."""
    points = outputs[:, N_LETTERS + 1 :].reshape(-1, N_POINTS, 2)
    return outputs[:, :N_LETTERS], outputs[:, N_LETTERS : N_LETTERS + 1], points


class AslNet(nn.Module):
    """(N, 3, S, S) float32 -> letters (N, 26) logits, presence (N, 1) logit, points (N, 21, 2) fractions."""

    channels = (128, 256, 512)  # of `maps`

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet18()
        self.trunk.avgpool = Moments()
        self.trunk.fc = answering_layer(self.channels[-1])

    def maps(self, x: Tensor) -> list[Tensor]:
        """The trunk's feature maps at stride 8, 16 and 32."""
        trunk = self.trunk
        at_8 = trunk.layer2(trunk.layer1(trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x))))))
        at_16 = trunk.layer3(at_8)
        return [at_8, at_16, trunk.layer4(at_16)]

    def answer(self, last_map: Tensor) -> Answers:
        """From the map at stride 32."""
        return split_answers(self.trunk.fc(self.trunk.avgpool(last_map)))

    def forward(self, x: Tensor) -> Answers:
        return self.answer(self.maps(x)[-1])


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
