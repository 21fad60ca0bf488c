"""Fit the landmark head, a small network from the landmark network's features to letters.

It is fitted before the ResNet and from stored features, so that many passes cost little. See
docs/experiments.md, "Landmark head".
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.crops.store import Crops
from train.fit.loss import letter_loss
from train.model.network import LandmarkHead

PASSES = 20  # over the crops
BATCH = 256
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05


def fit_landmark_head(
    head: LandmarkHead, features: Tensor, crops: Crops, rows: np.ndarray, seed: int
) -> float:
    """Fit `head` to the features (N, 1152) of these crops and freeze it.

    Returns its letter accuracy on the same crops, 0..1.
    """
    torch.manual_seed(seed)
    letter = torch.from_numpy(np.asarray(crops.letter[rows]))
    presence = torch.from_numpy(np.asarray(crops.presence[rows]))
    set_norm(head.norm, features)
    with torch.no_grad():
        features = head.eval().norm(features)
    head.train().requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(max(1, PASSES * len(rows) // BATCH)):
        batch = torch.randint(len(rows), (min(BATCH, len(rows)),))
        letters, present = head.classify(head.hidden(features[batch]))
        loss = letter_loss(letters, letter[batch])
        loss = loss + F.binary_cross_entropy_with_logits(present[:, 0], presence[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    head.eval().requires_grad_(requires_grad=False)
    with torch.no_grad():
        predicted = head.classify(head.hidden(features))[0].argmax(dim=1)
    known = letter >= 0
    return float((predicted == letter)[known].float().mean())


def stored_features(crops: Crops, rows: np.ndarray, upright: bool = False) -> Tensor:
    """Return (N, 1152) features of these crops, as the hand is held or turned upright."""
    return torch.from_numpy(np.asarray(crops.features[rows, int(upright)], np.float32))


def middle_maps(crops: Crops, rows: np.ndarray, upright: bool) -> Tensor:
    """Return (N, 80, 14, 14) float32 in channels-last memory, which halves the time of the last blocks."""
    maps = torch.from_numpy(np.asarray(crops.middle[rows, int(upright)], np.float32))
    return maps.contiguous(memory_format=torch.channels_last)


def set_norm(norm: torch.nn.BatchNorm1d, features: Tensor) -> None:
    """Set batch-norm statistics from these features."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(features.mean(dim=0))
    norm.running_var.copy_(features.var(dim=0, unbiased=False))
