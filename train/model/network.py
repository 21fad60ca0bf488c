"""The network: torchvision's ResNet-18 with its last layer widened to three answers, and beside it one that
has seen the hands of very many people.

Both look at the same square. The ResNet is trained here, on few people; the other, MediaPipe's landmark
network, was trained elsewhere to place 21 points on any hand, and only its last blocks learn further here.
Letters and presence are what both say together, each from a last layer of its own; points are the landmark
network's.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS, Array, Engine, Output
from train.model.landmark_network import HandNetwork
from train.model.landmarker import N_FEATURES

N_LETTERS = len(LETTERS)
N_OUTPUTS = N_LETTERS + 1 + 2 * N_LANDMARKS  # 26 letters, one presence, 42 coordinates
# What the ResNet does not see of the square, on each side; what it sees, it sees halved: 96 px of 224.
BORDER_PX = 16
HIDDEN = 256  # between the landmark network's features and the letters
DROPOUT = 0.2
# Of the two, the landmark network's features count for more on new people: of shares from 0 to 1 those of
# 0.65 and 0.75 read most of six unseen sources (ResNet alone 64 %, features alone 80 %, together 82 %).
HAND_SHARE = 2 / 3

Answers = tuple[Tensor, Tensor, Tensor]


def input_px(trunk_px: int) -> int:
    """The side of the ResNet's picture -> that of the square."""
    return 2 * trunk_px + 2 * BORDER_PX


def together(by_trunk: Tensor, by_hand: Tensor) -> Tensor:
    """Logits of the ResNet and of the landmark network's features -> theirs together."""
    return (1 - HAND_SHARE) * by_trunk + HAND_SHARE * by_hand


def either(as_it_is: Tensor, turned: Tensor, upright: Tensor) -> Tensor:
    """The first where `upright` is 0, the second where it is 1."""
    return as_it_is + upright * (turned - as_it_is)


def near(x: Tensor) -> Tensor:
    """(N, 3, S, S) a square -> (N, 3, T, T) what the ResNet sees of it: its middle, halved."""
    return F.avg_pool2d(x[:, :, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX], 2)


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
        layer.weight[-2 * N_LANDMARKS :] *= 0.1
        layer.bias[-2 * N_LANDMARKS :] = 0.5
    return layer


def split_answers(outputs: Tensor) -> Answers:
    """(N, 69) -> letters (N, 26) logits, presence (N, 1) logit, points (N, 21, 2) fractions of the crop."""
    points = outputs[:, N_LETTERS + 1 :].reshape(-1, N_LANDMARKS, 2)
    return outputs[:, :N_LETTERS], outputs[:, N_LETTERS : N_LETTERS + 1], points


class HandReading(nn.Module):
    """(N, 1152) what the landmark network sees of a hand -> (N, 256), and from that letters and presence."""

    def __init__(self) -> None:
        super().__init__()
        # Most features are silent on nearly every hand: without the 0.1 (their variance is about 0.5 where
        # they speak) a rare whisper would count as a shout.
        self.norm = nn.BatchNorm1d(N_FEATURES, eps=0.1, affine=False)
        self.hidden = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(N_FEATURES, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.fc = nn.Linear(HIDDEN, N_LETTERS + 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.hidden(self.norm(features))

    def answer(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Letters (N, 26) and presence (N, 1), logits."""
        outputs = self.fc(hidden)
        return outputs[:, :N_LETTERS], outputs[:, N_LETTERS:]


class AslNet(nn.Module):
    """(N, 3, S, S) float32 -> letters (N, 26) logits, presence (N, 1) logit, points (N, 21, 2) fractions."""

    channels = (128, 256, 512)  # of `maps`
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet18()
        self.trunk.avgpool = Moments()
        self.trunk.fc = answering_layer(self.channels[-1])
        self.hand = HandNetwork()
        self.reading = HandReading()
        self.upright = HandReading()  # the same of a square that was turned until the hand stands upright
        self.register_buffer("mean", torch.tensor(MEAN_RGB)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD_RGB)[:, None, None], persistent=False)

    def maps(self, x: Tensor) -> list[Tensor]:
        """(N, 3, T, T) from `near` -> the trunk's feature maps at stride 8, 16 and 32."""
        trunk = self.trunk
        at_8 = trunk.layer2(trunk.layer1(trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x))))))
        at_16 = trunk.layer3(at_8)
        return [at_8, at_16, trunk.layer4(at_16)]

    def answer(self, last_map: Tensor) -> Answers:
        """What the trunk alone says, from its map at stride 32; its points teach it, nobody asks for them."""
        return split_answers(self.trunk.fc(self.trunk.avgpool(last_map)))

    def features(self, x: Tensor, upright: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S), and (1,) 1 where they were turned and else 0 -> (N, 1792) what letters and presence
        are computed from, and points (N, 21, 2). Of what was turned the ResNet, which learned from none, says
        nothing: its features are 0."""
        seen, points = self.hand(x * self.std + self.mean)
        moments = self.trunk.avgpool(self.maps(near(x))[-1]) * (1 - upright)
        hidden = either(self.reading(seen), self.upright(seen), upright)
        return torch.cat([moments, hidden], dim=1), points

    def last_layers(self) -> tuple[nn.Linear, nn.Linear]:
        """(N, 1792) features -> (N, 27) what the two parts say together of a square as it is, and of one that
        was turned."""
        said, ours = N_LETTERS + 1, self.trunk.fc
        layers = nn.Linear(ours.in_features + HIDDEN, said), nn.Linear(ours.in_features + HIDDEN, said)
        with torch.no_grad():
            for layer, theirs, share in zip(
                layers, (self.reading.fc, self.upright.fc), (HAND_SHARE, 1.0), strict=True
            ):
                weights = [(1 - share) * ours.weight[:said], share * theirs.weight]
                layer.weight.copy_(torch.cat(weights, dim=1))
                layer.bias.copy_((1 - share) * ours.bias[:said] + share * theirs.bias)
        return layers

    def forward(self, x: Tensor, upright: Tensor | None = None) -> Answers:
        """`upright` as of `features`; none was turned where it is not given."""
        upright = torch.zeros(1, device=x.device) if upright is None else upright
        features, points = self.features(x, upright)
        moments, hidden = features[:, :-HIDDEN], features[:, -HIDDEN:]
        letters, presence, _ = split_answers(self.trunk.fc(moments))
        letters_hand, presence_hand = self.reading.answer(hidden)
        letters_upright, presence_upright = self.upright.answer(hidden)
        return (
            either(together(letters, letters_hand), letters_upright, upright),
            either(together(presence, presence_hand), presence_upright, upright),
            points,
        )


def torch_engine(model: nn.Module, threads: int = 1) -> Engine:
    """A model in eval mode -> an Engine like those of the device."""
    torch.set_num_threads(threads)
    model = model.eval()

    def engine(tensor: Array, upright: bool = False) -> Output:
        with torch.inference_mode():
            letters, presence, points = model(torch.from_numpy(tensor), torch.tensor([float(upright)]))
        return Output(_array(letters), _array(presence[:, 0]), _array(points))

    return engine


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
