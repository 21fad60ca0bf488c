"""Build and write model_metadata.json: the build_contract with a runtime, and what was measured."""

import datetime
import json
import platform
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
import torchvision

from edge.package import (
    FEATURES,
    INPUT_NAME,
    METADATA_NAME,
    SCHEMA_VERSION,
    UPRIGHT,
    UPRIGHT_SHAPE,
    compute_sha256,
)
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS
from export.to_onnx import read_features_shape
from train.model.checkpoint import Checkpoint

FILE_NAMES = {
    "int8": "asl_resnet18.int8.onnx",
    "float": "asl_resnet18.onnx",
    "dynamic": "asl_resnet18.dynamic.pt",
}
OUTPUTS = {
    "letters": {
        "shape": [1, len(LETTERS)],
        "meaning": "logits of A to Z; divide by temperature, then softmax",
    },
    "presence": {"shape": [1, 1], "meaning": "logit of 'there is a hand'; sigmoid, then presence_threshold"},
    "points": {
        "shape": [1, N_LANDMARKS, 2],
        "meaning": "x and y of the hand landmarks (MediaPipe's order) as fractions of the square's side",
    },
}
UPRIGHT_MEANING = "a second input: 1 if the square was turned until the hand is upright, else 0"
FEATURES_MEANING = "input of the last layer; a device learns corrections from it"
RESIZE = "a square cut from the picture, scaled bilinearly, by area averaging when shrunk to less than half"


def build_contract(checkpoint: Checkpoint, folder: Path, quantisation: dict[str, str]) -> dict[str, Any]:
    """Return what a runtime needs; `quantisation` tells by variant how the file in `folder` was made."""
    float_file = folder / FILE_NAMES["float"]
    return {
        "schema_version": SCHEMA_VERSION,
        "labels": list(LETTERS),
        "input": {
            "name": INPUT_NAME,
            "shape": [1, 3, checkpoint.size_px, checkpoint.size_px],
            "dtype": "float32",
            "layout": "NCHW",
            "colour": "RGB",
            "value_range": [0, 1],  # of the pixels, before mean and std
            "mean": list(MEAN_RGB),
            "std": list(STD_RGB),
            "resize": RESIZE,
        },
        UPRIGHT: {"shape": UPRIGHT_SHAPE, "meaning": UPRIGHT_MEANING},
        "outputs": OUTPUTS
        | {FEATURES: {"shape": read_features_shape(float_file), "meaning": FEATURES_MEANING}},
        "temperature": checkpoint.temperature,
        "presence_threshold": checkpoint.presence_threshold,
        "files": {
            variant: {"name": FILE_NAMES[variant], "quantisation": how}
            for variant, how in quantisation.items()
        },
        "contents": describe_files(folder, [FILE_NAMES[variant] for variant in quantisation]),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "training": remove_folders(checkpoint.training),
    }


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the contents of a package: by name the size and checksum of each file in `folder`."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": compute_sha256(folder / name)}
        for name in names
    }


def write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    """Write the file that makes a folder a package."""
    text = json.dumps(metadata, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / METADATA_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def keep_variants(metadata: dict[str, Any], variants: Sequence[str]) -> dict[str, Any]:
    """Return the metadata with these variants only; measurements of the others stay."""
    golden = metadata["golden"]["letters"]
    return {
        **metadata,
        "files": {variant: metadata["files"][variant] for variant in variants},
        "golden": {**metadata["golden"], "letters": {variant: golden[variant] for variant in variants}},
    }


def remove_folders(value: Any) -> Any:
    """Replace absolute paths in settings and commands by their last part.

    A package that is given away must not tell the workstation's folders or its user's name.
    """
    if isinstance(value, dict):
        return {
            key: remove_command_folders(inner) if key == "command" else remove_folders(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [remove_folders(inner) for inner in value]
    return _last_part(value) if isinstance(value, str) else value


def remove_command_folders(command: str) -> str:
    """Replace absolute paths in a command line, which may hold quotes, by their last part."""
    if "/" not in command:
        return command
    return shlex.join(_last_part(word) for word in shlex.split(command))


def _last_part(word: str) -> str:
    """'/home/anna/x' -> 'x', '--output=/home/anna/x' -> '--output=x'."""
    if word.startswith("/"):
        return Path(word).name
    name, equals, value = word.partition("=")
    return name + equals + _last_part(value) if equals else word
