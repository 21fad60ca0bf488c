"""Measure accuracy on the validation pictures, as plain crops, to choose the best epoch.

`evaluate` measures the published figures: it reads whole pictures as a device does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from edge.records import LETTERS
from train.crops.labels import letter_index
from train.data.prepared import Prepared
from train.evaluate.calibration import choose_temperature, compute_curve
from train.fit.dataset import plain_crop
from train.fit.loss import normalise

BATCH = 64


@dataclass(frozen=True)
class Validation:
    """Letter accuracy on plain crops, 0..1, and the temperature that calibrates the confidence."""

    accuracy: float
    per_source: dict[str, float]
    temperature: float

    def report(self) -> dict[str, Any]:
        """Return the entry of history.json."""
        per_source = {name: round(value, 4) for name, value in self.per_source.items()}
        return {"accuracy": round(self.accuracy, 4), "per_source": per_source}


def validate(
    model: nn.Module, prepared: Prepared, rows: np.ndarray, size_px: int, device: torch.device
) -> Validation:
    """Read a plain crop of every row that shows a letter."""
    rows = rows[np.isin(prepared.letter[rows], LETTERS)]
    labels = np.array([letter_index(str(letter)) for letter in prepared.letter[rows]])
    model.eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            crops = [plain_crop(prepared, int(row), size_px) for row in rows[start : start + BATCH]]
            images = torch.from_numpy(np.stack(crops)).to(device)
            batches.append(model(normalise(images))[0].float().cpu().numpy())
    logits = np.concatenate(batches)
    right = logits.argmax(axis=1) == labels
    sources = prepared.source[rows]
    per_source = {str(name): float(right[sources == name].mean()) for name in np.unique(sources)}
    probabilities = torch.softmax(torch.from_numpy(logits).double(), dim=1).numpy()
    temperature = choose_temperature([compute_curve(probabilities, labels)])
    return Validation(float(right.mean()), per_source, temperature)
