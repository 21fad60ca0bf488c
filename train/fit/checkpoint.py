"""What `fit` writes after every epoch, and how it is read again: tensors and values, no pickled code."""

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
    """A trained network and what a deployment package must tell of it."""

    model: AslNet  # on the CPU, in eval mode
    size_px: int
    temperature: float  # letter logits are divided by it
    presence_threshold: float
    training: dict[str, Any]  # sources, left_out, validated_on, seed, seconds, command, options, ...
    history: list[dict[str, Any]]  # one entry an epoch


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Written beside and renamed: a killed run or a full disk leaves the last good one."""
    with replaced_file(path) as partial:
        torch.save({"schema_version": SCHEMA_VERSION, **state}, partial)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state as `fit` wrote it. DataError in one sentence where the file is not such a checkpoint."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; a checkpoint of `python -m train fit` was wanted") from None
    except pickle.UnpicklingError:  # torch's own sentence recommends to run whatever the file holds
        raise DataError(f"{path} is no checkpoint of `python -m train fit`") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} can't be read as a checkpoint of fit: {first}") from None
    if not isinstance(state, dict) or state.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path} is no checkpoint of this fit (schema version {SCHEMA_VERSION}): train again")
    return state


def load_checkpoint(path: Path) -> Checkpoint:
    """A file of fit -> Checkpoint with its network ready to read."""
    state = read_checkpoint(path)
    model = AslNet()
    try:
        model.load_state_dict(state["model"])
    except RuntimeError:
        raise DataError(f"{path} holds no ResNet-18 with 69 outputs: train again") from None
    return Checkpoint(
        model=model.eval(),
        size_px=state["size_px"],
        temperature=state["temperature"],
        presence_threshold=state["presence_threshold"],
        training=state["training"],
        history=state["history"],
    )
