"""The losses of training: letter, presence and landmarks, each masked if the label does not give it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, MOVING_LETTERS
from train.crops.labels import OTHER_SIGN
from train.fit.dataset import Sample

# J and Z are movements, and a still of one looks like another letter (an I, a D). Training adds this to their
# logits, so that without it a still is read as one of them only if nothing else fits nearly as well. The
# method is Menon et al. 2021, "Long-tail learning via logit adjustment"; see docs/experiments.md, "The prior
# of J and Z".
MOVING_LOG_PRIOR = 1.0
MOVING = [LETTERS.index(letter) for letter in MOVING_LETTERS]
LABEL_SMOOTHING = 0.05  # handshapes vary between people and some labels are wrong (M, N, T above all)
PRESENCE_WEIGHT = 1.0
# Landmarks are off by about 0.05 of the crop, letters by about 1 nat: this weight brings both to one scale.
LANDMARKS_WEIGHT = 10.0
LANDMARKS_BETA = 0.05  # of the crop's side: errors count squared below it and linearly above (wrong labels)


@dataclass(frozen=True)
class Losses:
    """Scalars; `total` is minimised, `right` and `lettered` count the letters of the batch."""

    total: Tensor
    letter: Tensor
    presence: Tensor
    landmarks: Tensor
    right: Tensor
    lettered: Tensor


def normalise(images: Tensor) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32 in channels-last memory, as edge.preprocess.to_tensor."""
    mean = torch.tensor(MEAN_RGB, device=images.device)
    std = torch.tensor(STD_RGB, device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def compute_losses(outputs: tuple[Tensor, ...], batch: Sample, landmarks_weight: float) -> Losses:
    """Compute the losses of a batch: `outputs` are letters, presence and landmarks."""
    letters, presence, landmarks = outputs
    label = batch["letter"]
    letter = letter_loss(letters, label)
    presence_loss = F.binary_cross_entropy_with_logits(presence[:, 0], batch["presence"])
    errors = F.smooth_l1_loss(landmarks, batch["landmarks"], beta=LANDMARKS_BETA, reduction="none")
    errors = errors.mean(dim=(1, 2)) * batch["has_landmarks"]
    landmarks_loss = errors.sum() / batch["has_landmarks"].sum().clamp(min=1)
    total = letter + PRESENCE_WEIGHT * presence_loss + landmarks_weight * landmarks_loss
    known = label >= 0
    right = ((letters.argmax(dim=1) == label) & known).sum()
    return Losses(total, letter.detach(), presence_loss.detach(), landmarks_loss.detach(), right, known.sum())


def letter_loss(letters: Tensor, label: Tensor) -> Tensor:
    """Cross entropy of (N, 26) logits with smoothed labels (N,).

    For a hand that signs no letter the target is the uniform distribution. J and Z count as if they were
    less frequent than in the crops.
    """
    prior = torch.zeros(letters.shape[1], device=letters.device)
    prior[MOVING] = MOVING_LOG_PRIOR
    letters = letters + prior
    known, other = label >= 0, label == OTHER_SIGN
    log_probabilities = F.log_softmax(letters, dim=1)
    uniform = -log_probabilities.mean(dim=1)
    named = -log_probabilities.gather(1, label.clamp(min=0)[:, None])[:, 0]
    per_sample = torch.where(known, (1 - LABEL_SMOOTHING) * named + LABEL_SMOOTHING * uniform, uniform)
    return (per_sample * (known | other)).sum() / (known | other).sum().clamp(min=1)
