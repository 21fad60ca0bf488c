"""The landmark network's last blocks learn letters, after the ResNet has, and go on naming the points.

What they see was stored by `cut`: a step needs no picture and a quarter of the network. All that they know
they know from very many people, and from few what they learn here: so they learn briefly.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from edge.errors import DataError
from train.crops.store import Crops
from train.fit.epoch import rate_at
from train.fit.loss import Losses, losses
from train.model.landmark_head import late_maps
from train.model.network import AslNet

BATCH = 64  # half of it turned upright
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.05
# With fewer steps than it was tried with, the rate is lower in proportion: a few steps at the full one move
# every weight the same way, and the points with them.
FEWEST_STEPS = 260
POINTS_WEIGHT = 20.0


class LastBlocks:
    """The last blocks of a network and the small networks behind them, that learn from those crops."""

    def __init__(self, model: AslNet, crops: Crops, rows: np.ndarray, seed: int, epochs: int) -> None:
        self._model, self._crops, self._rows, self._seed = model, crops, rows, seed
        self.steps = max(1, len(rows) // BATCH)  # of an epoch
        self._total_steps = epochs * self.steps
        self._rate = LEARNING_RATE * min(1.0, self._total_steps / FEWEST_STEPS)
        parts = [
            *model.hand.late_parameters(),
            *model.reading.hidden.parameters(),
            *model.reading.fc.parameters(),
            *model.upright.hidden.parameters(),
            *model.upright.fc.parameters(),
        ]
        for part in parts:
            part.requires_grad = True
        self.optimizer = torch.optim.AdamW(parts, lr=self._rate, weight_decay=WEIGHT_DECAY)

    def epoch(self, epoch: int, progress: "tqdm[Any]") -> dict[str, Any]:
        """One pass over the crops -> means of its losses. Beside the weights it depends on (seed, epoch)."""
        rng = np.random.default_rng([self._seed, epoch])
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        order = rng.permutation(self._rows)
        self._model.train()  # what is usual moves along with the features
        sums, rate = torch.zeros(5), 0.0
        for step in range(self.steps):
            rate = self._rate * rate_at((epoch * self.steps + step) / self._total_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            sums += self._step(order[step * BATCH : (step + 1) * BATCH])
            progress.update(1)
        self._model.eval()
        loss, letter, presence, points, right = (sums / self.steps).tolist()
        return {
            "loss": round(loss, 4),
            "letter_loss": round(letter, 4),
            "presence_loss": round(presence, 4),
            "points_loss": round(points, 5),
            "letter_accuracy": round(right, 4),
            "lr": rate,
        }

    def _step(self, rows: np.ndarray) -> Tensor:
        """(5,) the loss, its three parts, and the share of letters that were read."""
        half = len(rows) // 2
        both = [self._losses(rows[:half], upright=False), self._losses(rows[half:], upright=True)]
        loss = torch.stack([got.total for got in both]).mean()
        if not torch.isfinite(loss):
            raise DataError("the loss of the last blocks is not finite: are the crops whole?")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        parts = [
            torch.stack([got.total.detach(), got.letter, got.presence, got.points, _share(got)])
            for got in both
        ]
        return torch.stack(parts).mean(dim=0).cpu()

    def _losses(self, rows: np.ndarray, upright: bool) -> Losses:
        """The points are those that were named before; where there is no hand none are asked for."""
        crops, device = self._crops, next(self._model.parameters()).device
        presence = torch.from_numpy(np.asarray(crops.presence[rows])).to(device)
        asked = {
            "letter": torch.from_numpy(np.asarray(crops.letter[rows])).to(device),
            "presence": presence,
            "points": torch.from_numpy(np.asarray(crops.named[rows, int(upright)])).to(device),
            "has_points": presence,
        }
        features, points = self._model.hand.last_blocks(late_maps(crops, rows, upright).to(device))
        reading = self._model.upright if upright else self._model.reading
        return losses((*reading.answer(reading(features)), points), asked, POINTS_WEIGHT)


def _share(got: Losses) -> Tensor:
    """Of the letters that were read."""
    return got.right / got.lettered.clamp(min=1)
