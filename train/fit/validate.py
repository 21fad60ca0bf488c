"""Accuracy on sources that the run does not train on, on plain crops: what chooses the best epoch.

The figure that is published comes from `evaluate`, which reads whole pictures as the device does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from edge.records import LETTERS
from train.data.prepared import Prepared
from train.evaluate.calibration import best_temperature, curve
from train.fit.dataset import letter_index, plain_crop
from train.fit.loss import normalise

BATCH = 64


@dataclass(frozen=True)
class Validation:
    """Letter accuracy on plain crops, 0..1, and the temperature that calibrates its confidence."""

    accuracy: float
    per_source: dict[str, float]
    temperature: float

    def report(self) -> dict[str, Any]:
        """For the history."""
        per_source = {name: round(value, 4) for name, value in self.per_source.items()}
        return {"accuracy": round(self.accuracy, 4), "per_source": per_source}


def validate(
    model: nn.Module, prepared: Prepared, rows: np.ndarray, size_px: int, device: torch.device
) -> Validation:
    """Read a plain crop of every row that has a letter A to Z."""
    rows = rows[np.isin(prepared.letter[rows], LETTERS)]
    labels = np.array([letter_index(str(letter)) for letter in prepared.letter[rows]])
    model.eval()
    logits = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            crops = [plain_crop(prepared, int(row), size_px) for row in rows[start : start + BATCH]]
            images = torch.from_numpy(np.stack(crops)).to(device)
            logits.append(model(normalise(images))[0].float().cpu().numpy())
    scores = np.concatenate(logits)
    right = scores.argmax(axis=1) == labels
    sources = prepared.source[rows]
    per_source = {str(name): float(right[sources == name].mean()) for name in np.unique(sources)}
    shares = torch.softmax(torch.from_numpy(scores).double(), dim=1).numpy()
    return Validation(float(right.mean()), per_source, best_temperature([curve(shares, labels)]))
