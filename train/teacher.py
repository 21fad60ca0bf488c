"""A network that starts from nothing learns what to look at from one that has seen ImageNet.

Hints (Romero et al. 2015, "FitNets"): the student's feature maps, each through a linear projection, are to
predict the teacher's maps of the same crop at the same stride. This needs no label, and gives a signal for
every place of every crop, where a letter gives one number a picture. A teacher that was fine-tuned to answer
the same questions also says how alike it finds the letters (Hinton et al. 2015).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.lite0 import Lite0Net
from train.model import Answers, AslNet

SOFTNESS = 2.0  # both networks' letter logits are divided by it before they are compared


@dataclass(frozen=True)
class Teacher:
    """What to learn from: its maps always, its letters only where it was trained to name them."""

    network: Lite0Net
    names_letters: bool


class Learner(nn.Module):
    """The network in training, alone or beside a teacher: one module, for DistributedDataParallel.

    (N, 3, S, S) normalised -> the network's three answers; the hint loss: 0 without a teacher, about 1 while
    the student knows nothing of the teacher's maps; the (N,) divergence from the teacher's letters, nats.
    """

    def __init__(self, student: AslNet | Lite0Net, teacher: Teacher | None) -> None:
        super().__init__()
        self.student = student
        self.teacher = None if teacher is None else teacher.network.requires_grad_(False)
        self.names_letters = teacher is not None and teacher.names_letters
        pairs = () if teacher is None else zip(student.channels, teacher.network.channels, strict=True)
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, theirs in pairs)

    def train(self, mode: bool = True) -> "Learner":
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Answers, Tensor, Tensor]:
        maps = self.student.maps(x)
        answers = self.student.answer(maps[-1])
        if self.teacher is None:
            return answers, x.new_zeros(()), x.new_zeros(len(x))
        with torch.no_grad():
            wanted = self.teacher.maps(x)
        losses = []
        for projection, ours, theirs in zip(self.projections, maps, wanted, strict=True):
            # every channel of the teacher counts alike: mean 0, deviation 1 over the batch
            target = F.batch_norm(theirs.float(), None, None, training=True)
            losses.append(F.mse_loss(projection(ours).float(), target))
        return answers, torch.stack(losses).mean(), self._divergence(answers[0], wanted[-1])

    def _divergence(self, letters: Tensor, last_map: Tensor) -> Tensor:
        if self.teacher is None or not self.names_letters:
            return letters.new_zeros(len(letters))
        with torch.no_grad():
            theirs = F.log_softmax(self.teacher.answer(last_map)[0].float() / SOFTNESS, dim=1)
        ours = F.log_softmax(letters.float() / SOFTNESS, dim=1)
        apart = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1)
        return SOFTNESS**2 * apart
