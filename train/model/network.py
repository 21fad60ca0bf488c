"""The network: torchvision's ResNet-18 beside MediaPipe's hand landmark network.

Both read the same square. The ResNet is trained here, on few people. The landmark network was trained by
MediaPipe on very many; only its last blocks are finetuned here. Letters and presence are a weighted sum of
the logits of both, landmarks come from the landmark network.
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
# The ResNet does not read this border of the square, and reads the rest at half size: 96 px of 224.
BORDER_PX = 16
HIDDEN = 256  # units between the landmark network's features and the letters
DROPOUT = 0.2
LANDMARK_WEIGHT = 2 / 3  # of the landmark head's logits; see docs/experiments.md, "Weight of the two parts"

Outputs = tuple[Tensor, Tensor, Tensor]  # letters (N, 26), presence (N, 1), landmarks (N, 21, 2)


def input_px(trunk_px: int) -> int:
    """Return the side of the square for a side of the ResNet's picture."""
    return 2 * trunk_px + 2 * BORDER_PX


def combine_logits(trunk: Tensor, landmark_head: Tensor) -> Tensor:
    """Return the weighted sum of the two parts' logits."""
    return (1 - LANDMARK_WEIGHT) * trunk + LANDMARK_WEIGHT * landmark_head


def select(held: Tensor, turned: Tensor, upright: Tensor) -> Tensor:
    """Return `held` where `upright` is 0 and `turned` where it is 1."""
    return held + upright * (turned - held)


def crop_for_resnet(x: Tensor) -> Tensor:
    """Cut the border off squares (N, 3, S, S) and halve them: (N, 3, T, T)."""
    return F.avg_pool2d(x[:, :, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX], 2)


class SpatialMoments(nn.Module):
    """(N, C, H, W) -> (N, 3 * C): the mean of each map, and its means weighted by x and by y, -1..1.

    The mean alone tells what a map detects, not where, and landmarks are positions. The coordinates do not
    depend on the map's size, so that training may begin with small pictures.
    """

    def forward(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        across = torch.linspace(-1, 1, width, device=maps.device).expand(height, width)
        down = torch.linspace(-1, 1, height, device=maps.device)[:, None].expand(height, width)
        weights = torch.stack([torch.ones_like(across), across, down]).flatten(1) / (height * width)
        return (maps.flatten(2) @ weights.T).transpose(1, 2).flatten(1)


def build_output_layer(channels: int) -> nn.Linear:
    """Build the ResNet's last layer on `SpatialMoments`; landmarks start near the crop's centre."""
    layer = nn.Linear(3 * channels, N_OUTPUTS)
    with torch.no_grad():
        layer.weight[-2 * N_LANDMARKS :] *= 0.1
        layer.bias[-2 * N_LANDMARKS :] = 0.5
    return layer


def split_outputs(outputs: Tensor) -> Outputs:
    """(N, 69) -> letters (N, 26) logits, presence (N, 1) logit, landmarks (N, 21, 2) fractions."""
    landmarks = outputs[:, N_LETTERS + 1 :].reshape(-1, N_LANDMARKS, 2)
    return outputs[:, :N_LETTERS], outputs[:, N_LETTERS : N_LETTERS + 1], landmarks


class LandmarkHead(nn.Module):
    """Features of the landmark network (N, 1152) -> hidden (N, 256), and from that letters and presence."""

    def __init__(self) -> None:
        super().__init__()
        # Most features are near zero for nearly every hand. An eps of 0.1 keeps their rare small values
        # small; the variance of the others is about 0.5.
        self.norm = nn.BatchNorm1d(N_FEATURES, eps=0.1, affine=False)
        self.hidden = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(N_FEATURES, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.fc = nn.Linear(HIDDEN, N_LETTERS + 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.hidden(self.norm(features))  # type: ignore[no-any-return]

    def classify(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return letters (N, 26) and presence (N, 1), both logits."""
        outputs = self.fc(hidden)
        return outputs[:, :N_LETTERS], outputs[:, N_LETTERS:]


class AslNet(nn.Module):
    """(N, 3, S, S) float32 -> letters (N, 26) logits, presence (N, 1) logit, landmarks (N, 21, 2) fractions.

    The names of the submodules are those of the state_dict in every checkpoint.
    """

    channels = (128, 256, 512)  # of `maps`
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = resnet18()
        self.trunk.avgpool = SpatialMoments()
        self.trunk.fc = build_output_layer(self.channels[-1])
        self.hand = HandNetwork()
        self.reading = LandmarkHead()  # for a square as the hand is held
        self.upright = LandmarkHead()  # for a square that was turned until the hand is upright
        self.register_buffer("mean", torch.tensor(MEAN_RGB)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD_RGB)[:, None, None], persistent=False)

    def trunk_input(self, x: Tensor) -> Tensor:
        """Return the part of squares (N, 3, S, S) that the ResNet reads."""
        return crop_for_resnet(x)

    def maps(self, x: Tensor) -> list[Tensor]:
        """(N, 3, T, T) from `crop_for_resnet` -> the ResNet's feature maps at stride 8, 16 and 32."""
        trunk = self.trunk
        at_8 = trunk.layer2(trunk.layer1(trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(x))))))
        at_16 = trunk.layer3(at_8)
        return [at_8, at_16, trunk.layer4(at_16)]

    def trunk_outputs(self, last_map: Tensor) -> Outputs:
        """Return the ResNet's own outputs from its map at stride 32.

        Its landmarks are used in training only, as a further task.
        """
        return split_outputs(self.trunk.fc(self.trunk.avgpool(last_map)))

    def features(self, x: Tensor, upright: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 1792), the input of the last layers, and landmarks (N, 21, 2).

        `upright` (1,) is 1 if the squares (N, 3, S, S) were turned, else 0. The ResNet was trained on no
        turned squares, so its features are 0 for them.
        """
        hand_features, landmarks = self.hand(x * self.std + self.mean)
        moments = self.trunk.avgpool(self.maps(self.trunk_input(x))[-1]) * (1 - upright)
        hidden = select(self.reading(hand_features), self.upright(hand_features), upright)
        return torch.cat([moments, hidden], dim=1), landmarks

    def last_layers(self) -> tuple[nn.Linear, nn.Linear]:
        """Merge the last layers of both parts: features (N, 1792) -> letters and presence (N, 27).

        The first layer is for squares as the hand is held, the second for squares that were turned.
        """
        n_out, trunk_fc = N_LETTERS + 1, self.trunk.fc
        size = trunk_fc.in_features + HIDDEN
        layers = nn.Linear(size, n_out), nn.Linear(size, n_out)
        heads = (self.reading.fc, self.upright.fc)
        with torch.no_grad():
            for layer, head_fc, weight in zip(layers, heads, (LANDMARK_WEIGHT, 1.0), strict=True):
                weights = [(1 - weight) * trunk_fc.weight[:n_out], weight * head_fc.weight]
                layer.weight.copy_(torch.cat(weights, dim=1))
                layer.bias.copy_((1 - weight) * trunk_fc.bias[:n_out] + weight * head_fc.bias)
        return layers

    def forward(self, x: Tensor, upright: Tensor | None = None) -> Outputs:
        """Return the outputs for squares; `upright` as in `features`, 0 by default."""
        upright = torch.zeros(1, device=x.device) if upright is None else upright
        features, landmarks = self.features(x, upright)
        moments, hidden = features[:, :-HIDDEN], features[:, -HIDDEN:]
        letters, presence, _ = split_outputs(self.trunk.fc(moments))
        held_letters, held_presence = self.reading.classify(hidden)
        turned_letters, turned_presence = self.upright.classify(hidden)
        return (
            select(combine_logits(letters, held_letters), turned_letters, upright),
            select(combine_logits(presence, held_presence), turned_presence, upright),
            landmarks,
        )


def torch_engine(model: nn.Module, threads: int = 1) -> Engine:
    """Wrap a model as an Engine like those of the device; the model is put into eval mode."""
    torch.set_num_threads(threads)
    model = model.eval()

    def engine(tensor: Array, upright: bool = False) -> Output:
        with torch.inference_mode():
            letters, presence, landmarks = model(torch.from_numpy(tensor), torch.tensor([float(upright)]))
        return Output(_to_numpy(letters), _to_numpy(presence[:, 0]), _to_numpy(landmarks))

    return engine


def _to_numpy(tensor: Tensor) -> Array:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
