"""The contract of a package: what its metadata must say, and the range of each number in it."""

import re
import reprlib
from dataclasses import dataclass
from typing import Any

from edge.errors import PackageError
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS

SCHEMA_VERSION = 2
READ_VERSIONS = (1, 2)  # version 1 has no contents and no sections; asl-edge 0.4 won't read it
METADATA_NAME = "model_metadata.json"
RUNTIMES = {".onnx": "onnx", ".pt": "torchscript"}  # by the suffix of a model file
# By variant. TorchScript runs only for who asks for `dynamic` by name, whatever a package says.
SUFFIXES = {"int8": ".onnx", "float": ".onnx", "dynamic": ".pt"}
INPUT_NAME = "image"
OUTPUT_SHAPES = {"letters": [1, len(LETTERS)], "presence": [1, 1], "points": [1, N_LANDMARKS, 2]}
FEATURES = "features"  # a fourth output: the input of the last layer; older packages have none
UPRIGHT = "upright"  # a second input: whether the crop was rotated; older packages have none
UPRIGHT_SHAPE = [1]
AGAIN = "export again with python -m export"

# The least and the greatest value of each number, both included. Export chooses temperatures from 0.4 to 4.
RANGES: dict[str, tuple[float, float]] = {
    "size_px": (32, 1024),
    "n_features": (1, 65_536),
    "temperature": (0.2, 10),
    "presence_threshold": (0.05, 0.95),
    "golden logit": (-1000, 1000),
    "golden confidence": (0, 1),
    "bytes": (1, 1_000_000_000),
}
MAX_CREATED = 40  # characters of a date


@dataclass(frozen=True)
class Contract:
    """What the metadata says of the network."""

    size_px: int  # side of the square that the network sees
    temperature: float
    presence_threshold: float
    # by name, in the order of the model's outputs
    output_shapes: dict[str, list[int]]
    reads_upright: bool
    files: dict[str, str]  # name of the model file by variant


def read_contract(metadata: dict[str, Any]) -> Contract:
    """Return the contract. Raises PackageError, or LookupError or TypeError if a part is missing."""
    if metadata["labels"] != list(LETTERS):
        raise PackageError(
            f"its labels must be A to Z, 26 in order, got {reprlib.repr(metadata['labels'])}: {AGAIN}"
        )
    size_px = _read_input(metadata["input"])
    for name, shape in OUTPUT_SHAPES.items():
        check_shape(f"output '{name}'", metadata["outputs"][name]["shape"], shape)
    reads_upright = UPRIGHT in metadata
    if reads_upright:
        check_shape(f"input '{UPRIGHT}'", metadata[UPRIGHT]["shape"], UPRIGHT_SHAPE)
    created = metadata.get("created", "")
    if not isinstance(created, str) or not re.fullmatch(rf"[0-9T:.+Z -]{{0,{MAX_CREATED}}}", created):
        raise PackageError(f"its 'created' must be a date, got {reprlib.repr(created)}: {AGAIN}")
    _check_golden(metadata.get("golden"))
    return Contract(
        size_px=size_px,
        temperature=read_number("temperature", metadata["temperature"]),
        presence_threshold=read_number("presence_threshold", metadata["presence_threshold"]),
        output_shapes=OUTPUT_SHAPES | _read_features(metadata["outputs"]),
        reads_upright=reads_upright,
        files=_read_files(metadata["files"]),
    )


def read_number(name: str, value: object) -> float:
    """Return the number called `name`. Raises PackageError unless it is a number in its range."""
    low, high = RANGES[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator]  # NaN is in no range
        raise PackageError(
            f"its {name} must be a number from {low:g} to {high:g}, got {reprlib.repr(value)}: {AGAIN}"
        )
    return float(value)  # type: ignore[arg-type]


def read_whole_number(name: str, value: object) -> int:
    """Return the whole number called `name`. Raises PackageError unless it is one in its range."""
    if not isinstance(value, int):
        raise PackageError(f"its {name} must be a whole number, got {reprlib.repr(value)}: {AGAIN}")
    return int(read_number(name, value))


def check_shape(what: str, got: object, expected: list[int]) -> None:
    """Raise PackageError unless the shape is the expected one."""
    if got != expected:
        raise PackageError(f"{what} has shape {reprlib.repr(got)}, expected {expected}: {AGAIN}")


def _read_input(described: dict[str, Any]) -> int:
    """Return the side of the square in px."""
    shape = described["shape"]
    side = shape[-1] if isinstance(shape, list) and shape else None
    if not isinstance(side, int) or shape != [1, 3, side, side]:
        raise PackageError(f"its input shape must be [1, 3, S, S], got {reprlib.repr(shape)}: {AGAIN}")
    if described["name"] != INPUT_NAME:
        raise PackageError(
            f"its input must be called {INPUT_NAME}, got {reprlib.repr(described['name'])}: {AGAIN}"
        )
    pixels = (described["colour"], described["mean"], described["std"])
    if pixels != ("RGB", list(MEAN_RGB), list(STD_RGB)) or described.get("value_range", [0, 1]) != [0, 1]:
        raise PackageError(f"it was made for other pixels (colour, mean, std or value_range): {AGAIN}")
    return read_whole_number("size_px", side)


def _read_features(outputs: dict[str, Any]) -> dict[str, list[int]]:
    if FEATURES not in outputs:
        return {}
    shape = outputs[FEATURES]["shape"]
    if not isinstance(shape, list) or len(shape) != 2 or shape[0] != 1:
        raise PackageError(f"output '{FEATURES}' must have shape [1, F], got {reprlib.repr(shape)}: {AGAIN}")
    return {FEATURES: [1, read_whole_number("n_features", shape[1])]}


def _read_files(entries: dict[str, Any]) -> dict[str, str]:
    """Return the name of the model file of each variant, each with the suffix that the variant must have."""
    if not entries:
        raise PackageError(f"it lists no model file: {AGAIN}")
    files = {}
    for variant, entry in entries.items():
        if variant not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            raise PackageError(f"it lists the variant {reprlib.repr(variant)}; there are {known}: {AGAIN}")
        name = entry["name"]
        if not isinstance(name, str) or not name.endswith(SUFFIXES[variant]):
            raise PackageError(
                f"its file of {variant} must end in {SUFFIXES[variant]}, got {reprlib.repr(name)}: {AGAIN}"
            )
        files[variant] = name
    return files


def _check_golden(golden: Any) -> None:
    """Raise PackageError for a golden answer out of range; edge.engines.golden asks for one that is there."""
    answers = golden.get("letters") if isinstance(golden, dict) else None
    for answer in answers.values() if isinstance(answers, dict) else ():
        for logit in answer if isinstance(answer, list) else ():
            read_number("golden logit", logit)
