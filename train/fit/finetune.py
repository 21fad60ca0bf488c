"""Finetune the landmark network's last blocks for letters, after the ResNet was trained.

`cut` stored the input of these blocks, so a step needs no picture and a quarter of the network. The blocks
come from very many people and are finetuned on few, so finetuning is brief.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from edge.errors import DataError
from train.crops.store import Crops
from train.fit.epoch import schedule_rate
from train.fit.landmark_head import middle_maps
from train.fit.loss import Losses, compute_losses
from train.model.network import AslNet

BATCH = 64  # half of it turned upright
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05  # see docs/experiments.md, "Finetuning the last blocks"
# With fewer steps the rate is lower in proportion: a few steps at the full rate move every weight the same
# way, and the landmarks with them.
FULL_RATE_STEPS = 260
LANDMARKS_WEIGHT = 20.0


class Finetuner:
    """Train the last blocks of a network and its landmark heads on these crops."""

    def __init__(self, model: AslNet, crops: Crops, rows: np.ndarray, seed: int, epochs: int) -> None:
        self._model, self._crops, self._rows, self._seed = model, crops, rows, seed
        self.steps = max(1, len(rows) // BATCH)  # per epoch
        self._total_steps = epochs * self.steps
        self._rate = LEARNING_RATE * min(1.0, self._total_steps / FULL_RATE_STEPS)
        parameters = [
            *model.hand.trained_parameters(),
            *model.reading.hidden.parameters(),
            *model.reading.fc.parameters(),
            *model.upright.hidden.parameters(),
            *model.upright.fc.parameters(),
        ]
        for parameter in parameters:
            parameter.requires_grad = True
        self.optimizer = torch.optim.AdamW(parameters, lr=self._rate, weight_decay=WEIGHT_DECAY)

    def train_epoch(self, epoch: int, progress: "tqdm[Any]") -> dict[str, Any]:
        """Pass over the crops once; return mean losses. Order and dropout depend on (seed, epoch) only."""
        rng = np.random.default_rng([self._seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        order = rng.permutation(self._rows)
        self._model.train()  # so that batch-norm statistics follow the features
        sums, rate = torch.zeros(5), 0.0
        for step in range(self.steps):
            rate = self._rate * schedule_rate((epoch * self.steps + step) / self._total_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            sums += self._step(order[step * BATCH : (step + 1) * BATCH])
            progress.update(1)
        self._model.eval()
        loss, letter, presence, landmarks, right = (sums / self.steps).tolist()
        return {
            "loss": round(loss, 4),
            "letter_loss": round(letter, 4),
            "presence_loss": round(presence, 4),
            "points_loss": round(landmarks, 5),
            "letter_accuracy": round(right, 4),
            "lr": rate,
        }

    def _step(self, rows: np.ndarray) -> Tensor:
        """Return (5,): the loss, its three parts, and the letter accuracy."""
        half = len(rows) // 2
        both = [self._losses(rows[:half], upright=False), self._losses(rows[half:], upright=True)]
        loss = torch.stack([losses.total for losses in both]).mean()
        if not torch.isfinite(loss):
            raise DataError("the loss of the last blocks is not finite: check the crops, or cut them again")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        parts = [
            torch.stack(
                [
                    losses.total.detach(),
                    losses.letter,
                    losses.presence,
                    losses.landmarks,
                    losses.right / losses.lettered.clamp(min=1),
                ]
            )
            for losses in both
        ]
        return torch.stack(parts).mean(dim=0).cpu()

    def _losses(self, rows: np.ndarray, upright: bool) -> Losses:
        """The target landmarks are those that the network predicted before; without a hand there are none."""
        crops, device = self._crops, next(self._model.parameters()).device
        presence = torch.from_numpy(np.asarray(crops.presence[rows])).to(device)
        landmarks = np.asarray(crops.predicted_landmarks[rows, int(upright)])
        labels = {
            "letter": torch.from_numpy(np.asarray(crops.letter[rows])).to(device),
            "presence": presence,
            "landmarks": torch.from_numpy(landmarks).to(device),
            "has_landmarks": presence,
        }
        features, predicted = self._model.hand.last_blocks(middle_maps(crops, rows, upright).to(device))
        head = self._model.upright if upright else self._model.reading
        return compute_losses((*head.classify(head(features)), predicted), labels, LANDMARKS_WEIGHT)
