"""The section `golden_pictures`: rendered hands that a device reads end to end before it takes a package.

"golden_pictures": [{"name": "golden_L.png", "letter": "L", "confidence": {"int8": 0.93}}, ...]
"""

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import PackageError
from edge.package.contract import AGAIN, read_number
from edge.package.files import PackagedFile
from edge.records import LETTERS

SECTION = "golden_pictures"
MAX_PICTURES = 16
MAX_BYTES = 500_000  # of a picture


@dataclass(frozen=True)
class GoldenPicture:
    """A picture and what each variant reads in it."""

    path: Path
    letter: str | None  # None: the picture shows no hand
    confidence: dict[str, float]  # 0..1, by variant, as the workstation read it; of no use without a letter


def read_golden_pictures(
    folder: Path, metadata: dict[str, Any], contents: dict[str, PackagedFile]
) -> tuple[GoldenPicture, ...]:
    """Return the pictures of the section, none if it is missing. Raises PackageError if it can't be used."""
    entries = metadata.get(SECTION, [])
    if not isinstance(entries, list) or len(entries) > MAX_PICTURES:
        raise PackageError(
            f"its section {SECTION} must be a list of at most {MAX_PICTURES} pictures: {AGAIN}"
        )
    return tuple(_read_picture(folder, entry, contents) for entry in entries)


def _read_picture(folder: Path, entry: dict[str, Any], contents: dict[str, PackagedFile]) -> GoldenPicture:
    name, letter = entry["name"], entry["letter"]
    if name not in contents or not name.endswith(".png"):
        raise PackageError(
            f"its golden picture {reprlib.repr(name)} must be a .png file that its contents list: {AGAIN}"
        )
    if contents[name].size_bytes > MAX_BYTES:
        raise PackageError(f"its golden picture {name} must have at most {MAX_BYTES} bytes: {AGAIN}")
    if letter is not None and letter not in LETTERS:
        raise PackageError(
            f"its golden picture {name} must show a letter or null, got {reprlib.repr(letter)}: {AGAIN}"
        )
    confidence = {
        str(variant): read_number("golden confidence", value)
        for variant, value in entry["confidence"].items()
    }
    return GoldenPicture(folder / name, letter, confidence)
