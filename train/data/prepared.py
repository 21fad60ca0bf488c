"""The prepared folder: every picture decoded and scaled once, so that training never waits for a decoder.

prepared/
  pictures.u8   every picture as raw (H, W, 3) RGB uint8, one after another
  index.npz     one row a picture: the arrays of `Prepared`
  report.json   counts, problems, duplicates and warnings: everything that `prepare` printed
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.records import LETTERS, Array, Image

OTHER_LABELS = ("nothing", "space", "del")  # no hand; two hands that sign no letter
LABELS = (*LETTERS, *OTHER_LABELS)
ROLES = ("train", "validation", "test")
PICTURES_NAME, INDEX_NAME, REPORT_NAME = "pictures.u8", "index.npz", "report.json"
AGAIN = "run python -m train prepare again"

Text = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared folder of N pictures, in the order of the inputs; px are of the stored picture."""

    folder: Path
    pictures: npt.NDArray[np.uint8]  # all bytes, a read-only memory map
    file: Text  # (N,) path under its input
    letter: Text  # (N,) one of LABELS
    source: Text  # (N,) about one signer in one set of rooms
    role: Text  # (N,) one of ROLES
    kind: Text  # (N,) context, frame, or empty where it is not known
    licence: Text  # (N,)
    height: npt.NDArray[np.int32]  # (N,) px
    width: npt.NDArray[np.int32]  # (N,) px
    offset: Rows  # (N,) bytes into pictures.u8
    box_xyxy: Array  # (N, 4) px, NaN where there is none
    points: Array  # (N, 21, 2) px, NaN where there are none
    phash: npt.NDArray[np.uint64]  # (N,) perceptual hash

    def __len__(self) -> int:
        return len(self.file)

    def picture(self, i: int) -> Image:
        """(H, W, 3) RGB uint8, a view that can't be written to."""
        start, height, width = int(self.offset[i]), int(self.height[i]), int(self.width[i])
        return self.pictures[start : start + height * width * 3].reshape(height, width, 3)

    def rows(self, sources: Sequence[str] | None = None, roles: Sequence[str] | None = None) -> Rows:
        """Indices of the pictures of these sources and these roles, None meaning all; in stored order."""
        wanted = np.ones(len(self), bool)
        for name, values, chosen in (("source", self.source, sources), ("role", self.role, roles)):
            if chosen is None:
                continue
            has = sorted(set(values.tolist()))
            if unknown := sorted(set(chosen) - set(has)):
                raise DataError(f"{self.folder} has no {name} '{unknown[0]}', only: {', '.join(has)}")
            wanted &= np.isin(values, list(chosen))
        return np.flatnonzero(wanted)


ARRAYS = tuple(field.name for field in fields(Prepared) if field.name not in ("folder", "pictures"))


def open_prepared(folder: Path) -> Prepared:
    """A folder written by `prepare`; DataError where it is absent, incomplete or of the wrong size."""
    folder = Path(folder)
    if not (folder / INDEX_NAME).is_file():
        raise DataError(f"{folder} is no prepared folder: it has no {INDEX_NAME}; {AGAIN}")
    try:
        with (folder / INDEX_NAME).open("rb") as file, np.load(file, allow_pickle=False) as index:
            arrays = {name: index[name] for name in ARRAYS}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        what = f"no array '{name}'" if (name := _missing(error)) else str(error)
        raise DataError(f"{folder / INDEX_NAME} can't be used ({what}); {AGAIN}") from None
    n = len(arrays["file"])
    if n == 0 or any(len(array) != n for array in arrays.values()):
        raise DataError(f"{folder / INDEX_NAME} holds arrays of no or of differing length; {AGAIN}")
    return Prepared(folder=folder, pictures=_map_pictures(folder, arrays), **arrays)


def _missing(error: Exception) -> str:
    return next((name for name in ARRAYS if isinstance(error, KeyError) and name in str(error)), "")


def _map_pictures(folder: Path, arrays: dict[str, Any]) -> npt.NDArray[np.uint8]:
    path = folder / PICTURES_NAME
    ends = arrays["offset"] + arrays["height"].astype(np.int64) * arrays["width"] * 3
    got, wanted = path.stat().st_size if path.is_file() else 0, int(ends.max())
    if got != wanted:
        raise DataError(f"{path} has {got} bytes, its index asks for {wanted}; {AGAIN}")
    return np.memmap(path, np.uint8, mode="r")


def write_index(folder: Path, arrays: dict[str, Any], report: dict[str, Any]) -> None:
    """index.npz and report.json of a folder that already holds pictures.u8."""
    with zipfile.ZipFile(folder / INDEX_NAME, "w") as index:  # np.savez takes no array called "file"
        for name in ARRAYS:
            with index.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(arrays[name]), allow_pickle=False)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    # a file's name may hold bytes that are no UTF-8: JSON, too, writes them as this does
    (folder / REPORT_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def refuse_strangers(folder: Path) -> None:
    """DataError where `folder` exists and is neither empty nor a prepared folder."""
    if not folder.exists() or (folder / INDEX_NAME).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(f"{folder} exists and is no prepared folder; name another --output")
