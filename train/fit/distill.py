"""The ResNet learns what to look at from one that has seen the hands of very many people.

Hints (Romero et al. 2015, "FitNets"): the student's feature maps, each through a linear projection, are to
predict the teacher's maps of the same crop. This needs no label, gives a signal for every place of every
crop, and is what carries over to people whose letters nobody labelled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.model.landmarker import HINTS
from train.model.network import Answers, AslNet


class Learner(nn.Module):
    """The network in training beside its projections: one module, for DistributedDataParallel.

    (N, 3, T, T) normalised and the teacher's maps -> the network's three answers, and the hint loss: about 1
    while the student knows nothing of the teacher's maps.
    """

    def __init__(self, student: AslNet) -> None:
        super().__init__()
        self.student = student
        pairs = zip(student.channels[1:], HINTS.values(), strict=True)  # stride 16 and 32
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, (theirs, _, _) in pairs)

    def forward(self, x: Tensor, hints: list[Tensor]) -> tuple[Answers, Tensor]:
        maps = self.student.maps(x)
        losses = []
        for projection, ours, theirs in zip(self.projections, maps[1:], hints, strict=True):
            seen = projection(F.adaptive_avg_pool2d(ours, theirs.shape[-1])).float()
            # every channel of the teacher counts alike: mean 0, deviation 1 over the batch
            target = F.batch_norm(theirs.float(), None, None, training=True)
            losses.append(F.mse_loss(seen, target))
        return self.student.answer(maps[-1]), torch.stack(losses).mean()
