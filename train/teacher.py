"""A network that starts from nothing learns what to look at from one that has seen ImageNet.

Hints (Romero et al. 2015, "FitNets"): the student's feature maps, each through a linear projection, are to
predict the teacher's maps of the same crop at the same stride. This needs no label, and gives a signal for
every place of every crop, where a letter gives one number a picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.preprocess import MEAN_RGB, STD_RGB
from train.lite0 import Lite0
from train.model import AslNet


class Learner(nn.Module):
    """The network in training, alone or beside a teacher: one module, for DistributedDataParallel.

    (N, 3, S, S) normalised -> the network's three answers, and the hint loss: 0 without a teacher, about 1
    while the student knows nothing of the teacher's maps.
    """

    def __init__(self, student: AslNet, teacher: Lite0 | None) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher
        widths = (128, 256, 512)  # of ResNet-18's layer2, layer3, layer4, at stride 8, 16, 32
        pairs = zip(widths, teacher.channels, strict=True) if teacher is not None else ()
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, theirs in pairs)

    def train(self, mode: bool = True) -> "Learner":
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        if self.teacher is None:
            return self.student(x), x.new_zeros(())
        maps: list[Tensor] = []
        trunk = self.student.trunk
        hooks = [
            layer.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
            for layer in (trunk.layer2, trunk.layer3, trunk.layer4)
        ]
        try:
            answers = self.student(x)
        finally:
            for hook in hooks:
                hook.remove()
        with torch.no_grad():
            mean, std = (x.new_tensor(values)[:, None, None] for values in (MEAN_RGB, STD_RGB))
            wanted = self.teacher((x * std + mean).clamp(0, 1))
        losses = []
        for projection, ours, theirs in zip(self.projections, maps, wanted, strict=True):
            # every channel of the teacher counts alike: mean 0, deviation 1 over the batch
            target = F.batch_norm(theirs.float(), None, None, training=True)
            losses.append(F.mse_loss(projection(ours).float(), target))
        return answers, torch.stack(losses).mean()
