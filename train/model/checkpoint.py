"""Write and read the checkpoints of `fit`: tensors and plain values, no pickled code."""

import pickle
import zipfile
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
    state = read_tensors(path)
    if not isinstance(state, dict) or state.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path} {describe_foreign(state)}")
    return state


def read_tensors(path: Path) -> Any:
    """Read tensors and plain values that torch.save wrote; raise DataError for all else. No code is run."""
    if _is_torchscript(path):  # torch's own message recommends running the code in the file
        raise DataError(
            f"{path} is TorchScript, a program for running a network: name the checkpoint that it was made of"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; it must be a checkpoint of `python -m train fit`") from None
    except pickle.UnpicklingError:  # torch's own message recommends running the code in the file
        raise DataError(f"{path} {_describe_refused(path)}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} can't be read as a checkpoint of fit: {first}") from None


def describe_foreign(state: Any) -> str:
    """Return what a file is that holds this, and no checkpoint of this version of `fit`, and what to do."""
    if isinstance(state, dict) and "schema_version" in state:
        return f"must be a checkpoint with schema version {SCHEMA_VERSION}: train again"
    inner = state.get("state_dict", state) if isinstance(state, dict) else state
    names = [name for name in inner if isinstance(name, str)] if isinstance(inner, dict) else []
    if names and all(name.startswith("module.") for name in names):
        return "was saved from a DataParallel: save model.module.state_dict()"
    if inner is not state and names:
        return "holds its weights beside other things: save its part 'state_dict' alone"
    if names and all(isinstance(value, torch.Tensor) for value in inner.values()):
        return (
            "is a plain state_dict: `python -m export` packages that of a ResNet-18 with 26 outputs; all "
            "else needs a checkpoint of `python -m train fit`"
        )
    return "is not a checkpoint of `python -m train fit`"


def _is_torchscript(path: Path) -> bool:
    """Return whether the file is an archive with code, as torch.jit.save writes it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _describe_refused(path: Path) -> str:
    """Return what a file is in which torch finds more than tensors and values, and what to do."""
    with path.open("rb") as file:
        head = file.read(100)
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself: run git lfs pull"
    if head.startswith((b"PK", b"\x80")):  # an archive, or a pickle of old torch
        return "holds a network with its code (torch.save of a module): save model.state_dict() instead"
    return "is not a checkpoint of `python -m train fit`"


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
