"""Open and verify a deployment package: the folder that passes from the workstation to the device.

`model_metadata.json` is the contract. A package that disagrees with it is refused in one sentence, before any
camera is opened. Start at `open_package`; contract.py, files.py, golden_pictures.py and signature.py each
check one part. A new optional section of the metadata gets a file like golden_pictures.py.
"""

import reprlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import PackageError, os_errors_as
from edge.package.contract import (
    AGAIN,
    FEATURES,
    INPUT_NAME,
    METADATA_NAME,
    OUTPUT_SHAPES,
    READ_VERSIONS,
    RUNTIMES,
    SCHEMA_VERSION,
    UPRIGHT,
    UPRIGHT_SHAPE,
    read_contract,
)
from edge.package.files import PackagedFile, compute_sha256, list_files, verify_file
from edge.package.golden_pictures import GoldenPicture, read_golden_pictures
from edge.package.signature import verify_signature
from edge.system.bounded_files import parse_json, read_bounded

__all__ = [
    "AGAIN",
    "FEATURES",
    "INPUT_NAME",
    "METADATA_NAME",
    "OUTPUT_SHAPES",
    "SCHEMA_VERSION",
    "UPRIGHT",
    "UPRIGHT_SHAPE",
    "GoldenPicture",
    "ModelSpec",
    "Package",
    "PackagedFile",
    "compute_sha256",
    "open_package",
]

MAX_METADATA_BYTES = 2_000_000  # the shipped package's metadata has 30 kB
MAX_NUMBER = 2.0**53  # beyond it a whole number is no longer exact as a float


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
    contents: dict[str, PackagedFile] = field(default_factory=dict)  # every listed file, by name
    golden_pictures: tuple[GoldenPicture, ...] = ()

    @property
    def schema_version(self) -> int:
        """1 or 2."""
        return int(self.metadata["schema_version"])

    @property
    def spec(self) -> ModelSpec:
        """The package's numbers for reading a picture."""
        return ModelSpec(self.size_px, self.temperature, self.presence_threshold, self.reads_upright)

    @property
    def input_shapes(self) -> dict[str, list[int]]:
        """By name, in the order of the model's inputs."""
        shapes = {INPUT_NAME: [1, 3, self.size_px, self.size_px]}
        return shapes | ({UPRIGHT: UPRIGHT_SHAPE} if self.reads_upright else {})

    def file(self, variant: str) -> Path:
        """Return the model file of a variant. Raises PackageError, which lists the package's variants."""
        if variant not in self.files:
            raise PackageError(
                f"{self.folder} has no variant '{variant}', only {', '.join(self.files)}: "
                "choose one of these, or export again with python -m export, which writes all variants"
            )
        return self.files[variant]

    def sha256(self, variant: str) -> str:
        """Return the hex digest of the model file of a variant, as it was packaged."""
        return self.contents[self.file(variant).name].sha256

    def runtime(self, variant: str) -> str:
        """Return the runtime that the variant's file needs: onnx or torchscript."""
        return RUNTIMES[self.file(variant).suffix]


def open_package(folder: Path, signers: str = "") -> Package:
    """Open a folder and verify it. Raises PackageError, which says in one sentence what disagrees.

    `signers`: file of the keys that may sign it, in ssh-keygen's format; "" asks for no signature.
    """
    folder = Path(folder)
    path = folder / METADATA_NAME
    data = _read_metadata(folder)
    if signers:
        verify_signature(data, path, Path(signers))
    metadata = _parse(path, data)
    try:
        package = _read(folder, metadata)
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise PackageError(f"{path} is incomplete: {what}; {AGAIN}") from None
    for listed in package.contents.values():
        verify_file(folder, listed)
    return package


def _read_metadata(folder: Path) -> bytes:
    path = folder / METADATA_NAME
    with os_errors_as(PackageError, f"{path} can't be read"):
        if not path.exists():
            raise PackageError(f"{folder} is no deployment package: it has no {METADATA_NAME}")
        return read_bounded(path, MAX_METADATA_BYTES)


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    """Parse JSON in which every number is one that a float holds exactly, or nearly."""
    try:
        metadata = parse_json(data)
        _check_numbers(metadata)
    except ValueError as error:
        raise PackageError(f"{path} is not valid JSON: {error}; {AGAIN}") from None
    if not isinstance(metadata, dict):
        raise PackageError(f"{path} must hold a JSON object; {AGAIN}")
    return metadata


def _check_numbers(value: object) -> None:
    """Raise ValueError for a number beyond MAX_NUMBER; 1e400 is an infinity that JSON can write."""
    left = [value]
    while left:  # not recursive, because JSON may be nested as deeply as Python's stack
        each = left.pop()
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, int | float) and not abs(each) <= MAX_NUMBER:
            raise ValueError(f"the number {reprlib.repr(each)} is too large")


def _read(folder: Path, metadata: dict[str, Any]) -> Package:
    """Return the package that the metadata describes; its files are not verified yet."""
    version = metadata["schema_version"]
    if version not in READ_VERSIONS or not isinstance(version, int):
        raise PackageError(
            f"it has schema version {reprlib.repr(version)}; this asl-edge reads version "
            f"{' and '.join(map(str, READ_VERSIONS))}: export again, or install the asl-edge that wrote it"
        )
    contract = read_contract(metadata)
    contents = list_files(metadata)
    for variant, name in contract.files.items():
        if name not in contents:
            raise PackageError(f"its file of {variant}, {name}, is not in its contents: {AGAIN}")
    return Package(
        folder=folder,
        size_px=contract.size_px,
        temperature=contract.temperature,
        presence_threshold=contract.presence_threshold,
        files={variant: folder / name for variant, name in contract.files.items()},
        metadata=metadata,
        output_shapes=contract.output_shapes,
        reads_upright=contract.reads_upright,
        contents=contents,
        golden_pictures=read_golden_pictures(folder, metadata, contents),
    )
