"""The files of a package: only those that its metadata lists with size and sha256 are ever opened."""

import hashlib
import re
import reprlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import PackageError, os_errors_as
from edge.package.contract import AGAIN, read_whole_number

MAX_FILES = 64
# no folder, no hidden file, nothing that a shell or a terminal would take for something else
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class PackagedFile:
    """A file as the metadata lists it."""

    name: str
    size_bytes: int
    sha256: str  # hex


def list_files(metadata: dict[str, Any]) -> dict[str, PackagedFile]:
    """Return the listed files by name. Raises PackageError for a name, size or sum that can't be one.

    Version 2 lists them under `contents`; version 1 lists the model files alone, under `files`.
    """
    if metadata["schema_version"] == 1:
        entries = [(entry["name"], entry) for entry in metadata["files"].values()]
    else:
        entries = list(metadata["contents"].items())
    if len(entries) > MAX_FILES:
        raise PackageError(f"it lists {len(entries)} files, at most {MAX_FILES} are read: {AGAIN}")
    return {name: _read_entry(name, entry) for name, entry in entries}


def _read_entry(name: object, entry: dict[str, Any]) -> PackagedFile:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PackageError(
            f"it lists the file {reprlib.repr(name)}; it must be a name without a folder, of letters, "
            f"digits, dots and dashes: {AGAIN}"
        )
    sha256 = entry["sha256"]
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise PackageError(f"its sha256 of {name} must be 64 hex digits, got {reprlib.repr(sha256)}: {AGAIN}")
    return PackagedFile(name, read_whole_number("bytes", entry["bytes"]), sha256)


def verify_file(folder: Path, listed: PackagedFile) -> None:
    """Raise PackageError unless the file has the listed size and sum."""
    path = folder / listed.name
    with os_errors_as(PackageError, f"{path} can't be read"):
        try:
            status = path.stat()
        except FileNotFoundError:
            raise PackageError(f"{path} is missing; copy the whole package again") from None
        if not stat.S_ISREG(status.st_mode):
            raise PackageError(f"{path} is no file; copy the whole package again")
        if status.st_size != listed.size_bytes:
            raise PackageError(
                f"{path} has {status.st_size} bytes, expected {listed.size_bytes}; copy the package again"
            )
        sha256 = compute_sha256(path)
    if sha256 != listed.sha256:
        raise PackageError(
            f"{path} is not the file that was packaged (sha256 differs); copy the package again"
        )


def compute_sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
