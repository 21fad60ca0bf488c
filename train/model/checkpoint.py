"""Write and read the checkpoints of `fit`: tensors and plain values, no pickled code."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edge.errors import DataError
from train.model.network import AslNet
from train.replace import replaced_file

SCHEMA_VERSION = 4


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and what a deployment package must record about it."""

    model: AslNet  # on the CPU, in eval mode
    size_px: int
    temperature: float  # letter logits are divided by it
    presence_threshold: float
    training: dict[str, Any]  # sources, left_out, validated_on, seed, seconds, command, options, ...
    history: list[dict[str, Any]]  # one entry per epoch


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside `path` and rename, so that a killed run or a full disk keeps the previous checkpoint."""
    with replaced_file(path) as partial:
        torch.save({"schema_version": SCHEMA_VERSION, **state}, partial)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state as `fit` wrote it; raise DataError if the file is not a checkpoint of `fit`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; it must be a checkpoint of `python -m train fit`") from None
    except pickle.UnpicklingError:  # torch's own message recommends running the code in the file
        raise DataError(f"{path} is not a checkpoint of `python -m train fit`") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} can't be read as a checkpoint of fit: {first}") from None
    if not isinstance(state, dict) or state.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path} must be a checkpoint with schema version {SCHEMA_VERSION}: train again")
    return state


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a file of `fit` with its network; raise DataError if it holds another network."""
    state = read_checkpoint(path)
    model = AslNet()
    try:
        model.load_state_dict(state["model"])
    except RuntimeError:
        raise DataError(f"{path} does not hold a ResNet-18 with 69 outputs: train again") from None
    return Checkpoint(
        model=model.eval(),
        size_px=state["size_px"],
        temperature=state["temperature"],
        presence_threshold=state["presence_threshold"],
        training=state["training"],
        history=state["history"],
    )
