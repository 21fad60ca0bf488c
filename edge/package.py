"""Open and verify a deployment package: the folder that passes from the workstation to the device.

`model_metadata.json` is the contract. A package that disagrees with it is refused in one sentence, before any
camera is opened.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import PackageError, os_errors_as
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS

SCHEMA_VERSION = 1
METADATA_NAME = "model_metadata.json"
RUNTIMES = {".onnx": "onnx", ".pt": "torchscript"}  # by the suffix of a model file
OUTPUT_SHAPES = {"letters": [1, len(LETTERS)], "presence": [1, 1], "points": [1, N_LANDMARKS, 2]}
FEATURES = "features"  # a fourth output: the input of the last layer; older packages have none
UPRIGHT = "upright"  # a second input: whether the crop was rotated; older packages have none
UPRIGHT_SHAPE = [1]
AGAIN = "export again with python -m export"


@dataclass(frozen=True)
class ModelSpec:
    """The numbers of a model that reading a picture needs."""

    size_px: int  # side of the square that the network sees
    temperature: float = 1.0  # letter logits are divided by it to calibrate the confidence
    presence_threshold: float = 0.5  # 0..1; below it there is no hand
    reads_upright: bool = False  # the network was also trained on crops rotated until the hand stands upright


@dataclass(frozen=True)
class Package:
    """A verified package. `metadata` is the whole file; the runtime uses the other fields."""

    folder: Path
    size_px: int  # as in ModelSpec, the next two too
    temperature: float
    presence_threshold: float
    files: dict[str, Path]  # by variant
    metadata: dict[str, Any]
    # by name, in the order of the model's outputs
    output_shapes: dict[str, list[int]] = field(default_factory=lambda: dict(OUTPUT_SHAPES))
    reads_upright: bool = False

    @property
    def spec(self) -> ModelSpec:
        """The package's numbers for reading a picture."""
        return ModelSpec(self.size_px, self.temperature, self.presence_threshold, self.reads_upright)

    @property
    def input_shapes(self) -> dict[str, list[int]]:
        """By name, in the order of the model's inputs."""
        shapes = {str(self.metadata["input"]["name"]): list(self.metadata["input"]["shape"])}
        return shapes | ({UPRIGHT: UPRIGHT_SHAPE} if self.reads_upright else {})

    def file(self, variant: str) -> Path:
        """Return the model file of a variant. Raises PackageError, which lists the package's variants."""
        if variant not in self.files:
            raise PackageError(
                f"{self.folder} has no variant '{variant}', only {', '.join(self.files)}: "
                "choose one of these, or export again with python -m export, which writes all variants"
            )
        return self.files[variant]

    def runtime(self, variant: str) -> str:
        """Return the runtime that the variant's file needs: onnx or torchscript."""
        return RUNTIMES[self.file(variant).suffix]


def compute_sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def open_package(folder: Path) -> Package:
    """Open a folder and verify it. Raises PackageError, which says in one sentence what disagrees."""
    folder = Path(folder)
    path = folder / METADATA_NAME
    with os_errors_as(PackageError, f"{path} can't be read"):
        if not path.is_file():
            raise PackageError(f"{folder} is no deployment package: it has no {METADATA_NAME}")
        data = path.read_bytes()
    try:
        metadata = json.loads(data.decode())
    except ValueError as error:
        raise PackageError(f"{path} is not valid JSON: {error}") from None
    try:
        return _verify(folder, metadata)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise PackageError(f"{path} is incomplete: {what}; {AGAIN}") from None


def _verify(folder: Path, metadata: dict[str, Any]) -> Package:
    path = folder / METADATA_NAME
    version = metadata["schema_version"]
    if version != SCHEMA_VERSION:
        raise PackageError(
            f"{path} has schema version {version!r}; this asl-edge reads version {SCHEMA_VERSION}: "
            "export again, or install the asl-edge that wrote it"
        )
    labels = metadata["labels"]
    if tuple(labels) != LETTERS:
        raise PackageError(f"{path} lists {len(labels)} labels; it must list A to Z, 26 in order: {AGAIN}")
    shape = metadata["input"]["shape"]
    size_px = shape[-1] if shape else None
    if not isinstance(size_px, int) or shape != [1, 3, size_px, size_px]:
        raise PackageError(f"{path} has input shape {shape}; it must be [1, 3, S, S]: {AGAIN}")
    pixels = (metadata["input"]["colour"], metadata["input"]["mean"], metadata["input"]["std"])
    if pixels != ("RGB", list(MEAN_RGB), list(STD_RGB)):
        raise PackageError(f"{path} was made for other pixels (colour, mean or std): {AGAIN}")
    for name, shape in OUTPUT_SHAPES.items():
        _check_shape(path, f"output '{name}'", metadata["outputs"][name]["shape"], shape)
    features = {FEATURES: metadata["outputs"][FEATURES]["shape"]} if FEATURES in metadata["outputs"] else {}
    reads_upright = UPRIGHT in metadata
    if reads_upright:
        _check_shape(path, f"input '{UPRIGHT}'", metadata[UPRIGHT]["shape"], UPRIGHT_SHAPE)
    files = {variant: folder / entry["name"] for variant, entry in metadata["files"].items()}
    if not files:
        raise PackageError(f"{path} lists no model file: {AGAIN}")
    for variant, file in files.items():
        _check_file(file, metadata["files"][variant])
    return Package(
        folder=folder,
        size_px=size_px,
        temperature=float(metadata["temperature"]),
        presence_threshold=float(metadata["presence_threshold"]),
        files=files,
        metadata=metadata,
        output_shapes=OUTPUT_SHAPES | features,
        reads_upright=reads_upright,
    )


def _check_shape(path: Path, what: str, got: list[int], expected: list[int]) -> None:
    if got != expected:
        raise PackageError(f"{path} has {what} of shape {got}, expected {expected}: {AGAIN}")


def _check_file(file: Path, entry: dict[str, Any]) -> None:
    if file.name != entry["name"]:
        raise PackageError(
            f"{METADATA_NAME} names the file {entry['name']!r}; it must be a name without a folder: {AGAIN}"
        )
    if file.suffix not in RUNTIMES:
        raise PackageError(
            f"{METADATA_NAME} names the file {file.name}, which must end in {' or '.join(RUNTIMES)}: {AGAIN}"
        )
    if not file.is_file():
        raise PackageError(f"{file} is missing; copy the whole package again")
    with os_errors_as(PackageError, f"{file} can't be read"):
        size, sha256 = file.stat().st_size, compute_sha256(file)
    if size != entry["bytes"]:
        raise PackageError(f"{file} has {size} bytes, expected {entry['bytes']}; copy the package again")
    if sha256 != entry["sha256"]:
        raise PackageError(
            f"{file} is not the file that was packaged (sha256 differs); copy the package again"
        )
