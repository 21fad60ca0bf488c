"""Letters from what the landmark network sees of a hand: a small network, fitted before the ResNet is.

It needs features and no picture, so that it may go over them often: fitted beside the ResNet, in as many
steps as that can afford, it read 6 points less of unseen sources.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.crops.store import Crops
from train.fit.loss import letter_loss
from train.model.network import HandReading

PASSES = 20  # over the crops
BATCH = 256
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05


def fit_reading(reading: HandReading, features: Tensor, crops: Crops, rows: np.ndarray, seed: int) -> float:
    """Fit `reading` to (N, 1152) that the landmark network has of those crops, and freeze it -> the share of
    their letters that it reads, 0..1."""
    torch.manual_seed(seed)
    letter = torch.from_numpy(np.asarray(crops.letter[rows]))
    presence = torch.from_numpy(np.asarray(crops.presence[rows]))
    set_norm(reading.norm, features)
    with torch.no_grad():
        features = reading.eval().norm(features)
    reading.train().requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW(reading.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(max(1, PASSES * len(rows) // BATCH)):
        some = torch.randint(len(rows), (min(BATCH, len(rows)),))
        letters, present = reading.answer(reading.hidden(features[some]))
        loss = letter_loss(letters, letter[some])
        loss = loss + F.binary_cross_entropy_with_logits(present[:, 0], presence[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    reading.eval().requires_grad_(requires_grad=False)
    with torch.no_grad():
        said = reading.answer(reading.hidden(features))[0].argmax(dim=1)
    known = letter >= 0
    return float((said == letter)[known].float().mean())


def stored_features(crops: Crops, rows: np.ndarray, upright: bool = False) -> Tensor:
    """(N, 1152) that MediaPipe's network has of those crops, as they are or turned."""
    return torch.from_numpy(np.asarray(crops.features[rows, int(upright)], np.float32))


def late_maps(crops: Crops, rows: np.ndarray, upright: bool) -> Tensor:
    """(N, 192, 7, 7) float32, in channels-last memory: so its last blocks take less than half the time."""
    maps = torch.from_numpy(np.asarray(crops.late[rows, int(upright)], np.float32))
    return maps.contiguous(memory_format=torch.channels_last)


def set_norm(norm: torch.nn.BatchNorm1d, features: Tensor) -> None:
    """What is usual is what these features are."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(features.mean(dim=0))
    norm.running_var.copy_(features.var(dim=0, unbiased=False))
