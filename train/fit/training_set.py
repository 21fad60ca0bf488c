"""Choose the crops that a run trains on and the pictures that it holds back."""

from typing import Any

import numpy as np
import torch

from edge.errors import DataError
from edge.records import LETTERS
from train.crops.store import NO_PICTURE, Crops
from train.data.prepared import Prepared
from train.fit.options import Options


def hold_back(prepared: Prepared, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) bool, the pictures that are not trained on, and the rows that choose the best epoch."""
    left_out = np.isin(prepared.source, options.leave_out)
    if options.by_role:
        held_back, validating = prepared.split != "train", prepared.split == "validation"
    else:
        held_back = validating = np.isin(prepared.source, options.validate)
    validation_rows = np.flatnonzero(validating & ~left_out & np.isin(prepared.letter, LETTERS))
    return held_back | left_out, validation_rows


def choose_crops(crops: Crops, prepared: Prepared, held_back: np.ndarray) -> np.ndarray:
    """Return the rows of the crops to train on.

    They show pictures that are not held back, backgrounds of those pictures' sources, or synthetic hands.
    """
    if held_back.all():
        raise DataError("no picture is left to train on: leave out or validate on fewer sources")
    sources = ["", *np.unique(prepared.source[~held_back])]
    picture = np.asarray(crops.picture)
    return np.flatnonzero(np.isin(crops.source, sources) & ((picture == NO_PICTURE) | ~held_back[picture]))


def describe_training(
    crops: Crops,
    prepared: Prepared,
    options: dict[str, Any],
    held_back: np.ndarray,
    validation_rows: np.ndarray,
    command_line: str,
) -> dict[str, Any]:
    """Return what a deployment package records about the training, except its duration."""
    sources = set(prepared.source[~held_back].tolist())
    validated_on = set(prepared.source[validation_rows].tolist()) - sources
    return {
        "sources": sorted(sources),
        "pictures": int((~held_back).sum()),
        "crops": {name: crops.about[name] for name in ("crops", "synthetic_share", "seed")},
        "left_out": sorted(set(prepared.source.tolist()) - sources - validated_on),
        "validated_on": sorted(validated_on),
        "seed": options["seed"],
        "command": command_line,
        "options": options,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
