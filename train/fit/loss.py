"""What the network is asked for in training: the letter, the presence, the points; each masked where the
label says nothing of it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.preprocess import MEAN_RGB, STD_RGB
from train.fit.dataset import OTHER_SIGN, Sample

LABEL_SMOOTHING = 0.05  # handshapes vary between people and some labels are wrong (M, N, T above all)
PRESENCE_WEIGHT = 1.0
# Points are off by about 0.05 of the crop, letters by about 1 nat: this brings the two to one scale.
POINTS_WEIGHT = 10.0
POINTS_BETA = 0.05  # of the crop's side: below it the error counts squared, above linearly (wrong labels)


@dataclass(frozen=True)
class Losses:
    """Scalars; `total` is what is minimised. `right` and `lettered` count the letters of the batch."""

    total: Tensor
    letter: Tensor
    presence: Tensor
    points: Tensor
    right: Tensor
    lettered: Tensor


def normalise(images: Tensor) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32 in channels-last memory; the same as edge's to_tensor."""
    mean = torch.tensor(MEAN_RGB, device=images.device)
    std = torch.tensor(STD_RGB, device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def losses(answers: tuple[Tensor, ...], batch: Sample, points_weight: float) -> Losses:
    """The answers and the labels of a batch -> Losses."""
    letters, presence, points = answers
    label = batch["letter"]
    for_letters = letter_loss(letters, label)
    presence_loss = F.binary_cross_entropy_with_logits(presence[:, 0], batch["presence"])
    off = F.smooth_l1_loss(points, batch["points"], beta=POINTS_BETA, reduction="none").mean(dim=(1, 2))
    points_loss = (off * batch["has_points"]).sum() / batch["has_points"].sum().clamp(min=1)
    total = for_letters + PRESENCE_WEIGHT * presence_loss + points_weight * points_loss
    known = label >= 0
    right = ((letters.argmax(dim=1) == label) & known).sum()
    return Losses(
        total, for_letters.detach(), presence_loss.detach(), points_loss.detach(), right, known.sum()
    )


def letter_loss(letters: Tensor, label: Tensor) -> Tensor:
    """(N, 26) logits and (N,) labels -> cross entropy with smoothed labels; of a hand that signs no letter,
    all letters are equally unlikely."""
    known, other = label >= 0, label == OTHER_SIGN
    log_shares = F.log_softmax(letters, dim=1)
    uniform = -log_shares.mean(dim=1)
    named = -log_shares.gather(1, label.clamp(min=0)[:, None])[:, 0]
    per_sample = torch.where(known, (1 - LABEL_SMOOTHING) * named + LABEL_SMOOTHING * uniform, uniform)
    return (per_sample * (known | other)).sum() / (known | other).sum().clamp(min=1)
