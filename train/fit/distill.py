"""Distil the landmark network's feature maps into the ResNet.

Hints (Romero et al. 2015, "FitNets"): linear projections of the student's feature maps are trained to
predict the teacher's maps of the same crop. That needs no labels, gives a loss at every place of every crop,
and carries over to people whose letters nobody labelled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.model.landmarker import HINTS
from train.model.network import AslNet, Outputs


class DistillNet(nn.Module):
    """The network in training with its projections, as one module for DistributedDataParallel.

    (N, 3, T, T) normalised and the teacher's maps -> the ResNet's outputs, and the hint loss, which starts
    at about 1.
    """

    def __init__(self, student: AslNet) -> None:
        super().__init__()
        self.student = student
        pairs = zip(student.channels[1:], HINTS.values(), strict=True)  # stride 16 and 32
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, (theirs, _, _) in pairs)

    def forward(self, x: Tensor, hints: list[Tensor]) -> tuple[Outputs, Tensor]:
        maps = self.student.maps(x)
        losses = []
        for projection, ours, theirs in zip(self.projections, maps[1:], hints, strict=True):
            predicted = projection(F.adaptive_avg_pool2d(ours, theirs.shape[-1])).float()
            # mean 0 and deviation 1 over the batch, so that every channel of the teacher counts alike
            target = F.batch_norm(theirs.float(), None, None, training=True)
            losses.append(F.mse_loss(predicted, target))
        return self.student.trunk_outputs(maps[-1]), torch.stack(losses).mean()
