"""The prepared folder: every picture decoded and scaled once, so that training never waits for a decoder.

prepared/
  pictures.u8   every picture as raw (H, W, 3) RGB uint8, one after another
  index.npz     one row per picture: the arrays of `Prepared`
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
SPLITS = ("train", "validation", "test")
PICTURES_NAME, INDEX_NAME, REPORT_NAME = "pictures.u8", "index.npz", "report.json"
PREPARE_AGAIN = "run python -m train prepare again"

Text = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared folder of N pictures in the order of the inputs; px are of the stored picture."""

    folder: Path
    pictures: npt.NDArray[np.uint8]  # all bytes, a read-only memory map
    file: Text  # (N,) path under its input
    letter: Text  # (N,) one of LABELS
    source: Text  # (N,) about one signer in one set of rooms
    split: Text  # (N,) one of SPLITS
    kind: Text  # (N,) context, frame, or empty if unknown
    licence: Text  # (N,)
    height: npt.NDArray[np.int32]  # (N,) px
    width: npt.NDArray[np.int32]  # (N,) px
    offset: Rows  # (N,) bytes into pictures.u8
    box_xyxy: Array  # (N, 4) px, NaN if unknown
    landmarks: Array  # (N, 21, 2) px, NaN if unknown
    phash: npt.NDArray[np.uint64]  # (N,) perceptual hash

    def __len__(self) -> int:
        return len(self.file)

    def picture(self, row: int) -> Image:
        """Return (H, W, 3) RGB uint8, a read-only view."""
        start, height, width = int(self.offset[row]), int(self.height[row]), int(self.width[row])
        return self.pictures[start : start + height * width * 3].reshape(height, width, 3)

    def known_landmarks(self, row: int) -> Array | None:
        """Return (21, 2) px of the stored picture, or None if they are unknown."""
        landmarks = self.landmarks[row]
        return landmarks if np.isfinite(landmarks).all() else None

    def rows(self, sources: Sequence[str] | None = None, splits: Sequence[str] | None = None) -> Rows:
        """Return the rows of these sources and splits in stored order; None means all.

        Raises DataError if the folder has no picture of a named source or split.
        """
        chosen = np.ones(len(self), bool)
        for name, values, names in (("source", self.source, sources), ("split", self.split, splits)):
            if names is None:
                continue
            present = sorted(set(values.tolist()))
            if unknown := sorted(set(names) - set(present)):
                raise DataError(f"{self.folder} has no {name} '{unknown[0]}', only: {', '.join(present)}")
            chosen &= np.isin(values, list(names))
        return np.flatnonzero(chosen)


# field of Prepared -> name of its array in index.npz; folders written before keep their names
ARRAYS = {field.name: field.name for field in fields(Prepared) if field.name not in ("folder", "pictures")}
ARRAYS |= {"split": "role", "landmarks": "points"}


def open_prepared(folder: Path) -> Prepared:
    """Open a folder written by `prepare`.

    Raises DataError if the folder is missing or incomplete, or if a file has the wrong size.
    """
    folder = Path(folder)
    if not (folder / INDEX_NAME).is_file():
        raise DataError(f"{folder} is not a prepared folder: it has no {INDEX_NAME}; {PREPARE_AGAIN}")
    try:
        with (folder / INDEX_NAME).open("rb") as file, np.load(file, allow_pickle=False) as index:
            arrays = {field: index[name] for field, name in ARRAYS.items()}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = f"no array '{name}'" if (name := _find_missing(error)) else str(error)
        raise DataError(f"{folder / INDEX_NAME} can't be used ({reason}); {PREPARE_AGAIN}") from None
    n = len(arrays["file"])
    if n == 0 or any(len(array) != n for array in arrays.values()):
        raise DataError(
            f"{folder / INDEX_NAME} holds no rows or arrays of different lengths; {PREPARE_AGAIN}"
        )
    return Prepared(folder=folder, pictures=_map_pictures(folder, arrays), **arrays)


def _find_missing(error: Exception) -> str:
    """Return the array that a KeyError of numpy names, or an empty string."""
    return next((name for name in ARRAYS.values() if isinstance(error, KeyError) and name in str(error)), "")


def _map_pictures(folder: Path, arrays: dict[str, Any]) -> npt.NDArray[np.uint8]:
    path = folder / PICTURES_NAME
    ends = arrays["offset"] + arrays["height"].astype(np.int64) * arrays["width"] * 3
    size, expected = path.stat().st_size if path.is_file() else 0, int(ends.max())
    if size != expected:
        raise DataError(f"{path} must have {expected} bytes, got {size}; {PREPARE_AGAIN}")
    return np.memmap(path, np.uint8, mode="r")


def spread(prepared: Prepared, rows: Rows, count: int) -> Rows:
    """Choose at most `count` of `rows`, evenly from each letter of each source, always the same ones."""
    group = np.char.add(np.char.add(prepared.letter[rows], "\t"), prepared.source[rows])
    shuffled = np.random.default_rng(0).permutation(len(rows))
    rank = np.zeros(len(rows), np.int64)  # 0 for the first picture of its group, 1 for the second ...
    taken: dict[str, int] = {}
    for i in shuffled:
        rank[i] = taken.get(group[i], 0)
        taken[group[i]] = int(rank[i]) + 1
    order = shuffled[np.argsort(rank[shuffled], kind="stable")]
    return np.sort(rows[order[:count]])


def write_index(folder: Path, arrays: dict[str, Any], report: dict[str, Any]) -> None:
    """Write index.npz and report.json into a folder that already holds pictures.u8.

    `arrays` are named like the fields of `Prepared`.
    """
    with zipfile.ZipFile(folder / INDEX_NAME, "w") as index:  # np.savez accepts no array called "file"
        for field, name in ARRAYS.items():
            with index.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(arrays[field]), allow_pickle=False)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    # a file name may hold bytes that are not UTF-8; they are escaped as on standard output
    (folder / REPORT_NAME).write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def refuse_foreign_folder(folder: Path) -> None:
    """Raise DataError if `folder` exists and is neither empty nor a prepared folder."""
    if not folder.exists() or (folder / INDEX_NAME).is_file():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(f"{folder} exists and is not a prepared folder; name another --output")
