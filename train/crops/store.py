"""The folder that `cut` writes and `fit` reads: crops with the landmark network's output for each.

crops/
  image.npy ... one array for each field below, N long
  about.json    what the crops were cut from and how, and how many are done: a stopped run continues
"""

import contextlib
import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, reason_of
from edge.records import N_LANDMARKS, Array
from train.model.landmarker import HINTS, MIDDLE_SHAPE, N_FEATURES
from train.replace import replaced_file

PICTURE_PX = 128  # default side of the stored pictures; `fit` scales them down
ABOUT_NAME = "about.json"
NO_PICTURE = -1  # the crop shows no photographed hand
CUT_AGAIN = "run python -m train cut again"
START_OVER = f"delete the folder and {CUT_AGAIN}"


@dataclass(frozen=True, eq=False)
class Crops:
    """N crops as memory maps."""

    about: dict[str, Any]
    # (N, P, P, 3) RGB, the part of a crop that the ResNet reads (train.model.network.crop_for_resnet)
    image: npt.NDArray[np.uint8]
    letter: npt.NDArray[np.int64]  # (N,) 0..25, NO_LETTER or OTHER_SIGN (train.crops.labels)
    presence: Array  # (N,) 0 or 1
    landmarks: Array  # (N, 21, 2) fractions of that part's side, NaN if unknown
    source: npt.NDArray[np.str_]  # (N,) whose hand and background it shows; "" if all of it is synthetic
    picture: npt.NDArray[np.int64]  # (N,) row of the prepared folder whose hand it shows, or NO_PICTURE
    at_16: npt.NDArray[np.float16]  # (N, 112, 7, 7) maps of the landmark network
    at_32: npt.NDArray[np.float16]  # (N, 1152, 3, 3)
    # (N, 2, 80, 14, 14) input of its last blocks, for the crop and for the crop turned upright
    middle: npt.NDArray[np.float16]
    features: npt.NDArray[np.float16]  # (N, 2, 1152) its features of either, before finetuning
    predicted_landmarks: Array  # (N, 2, 21, 2) its landmarks in either, fractions of the side

    def __len__(self) -> int:
        return len(self.letter)


# field of Crops -> name of its file; folders written before keep their names
ARRAYS = {field.name: field.name for field in fields(Crops) if field.name != "about"}
ARRAYS |= {"landmarks": "points", "predicted_landmarks": "named"}


def make_arrays(folder: Path, n: int, names: "np.dtype[Any]", picture_px: int = PICTURE_PX) -> dict[str, Any]:
    """Make zero arrays for n crops on disk; `names` is a dtype wide enough for every source.

    Raises DataError, and leaves no file, if the disk has no room.
    """
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((picture_px, picture_px, 3), np.uint8),
        "letter": ((), np.int64),
        "presence": ((), np.float32),
        "landmarks": ((N_LANDMARKS, 2), np.float32),
        "source": ((), names),
        "picture": ((), np.int64),
        **{name: (shape, np.float16) for name, shape in HINTS.items()},
        "middle": ((2, *MIDDLE_SHAPE), np.float16),
        "features": ((2, N_FEATURES), np.float16),
        "predicted_landmarks": ((2, N_LANDMARKS, 2), np.float32),
    }
    paths = {name: folder / f"{ARRAYS[name]}.npy" for name in shapes}
    arrays = {}
    try:
        for name, (shape, dtype) in shapes.items():
            arrays[name] = np.lib.format.open_memmap(paths[name], "w+", dtype, (n, *shape))
            with paths[name].open("r+b") as file:  # a memory map on a full disk ends the process later
                os.posix_fallocate(file.fileno(), 0, paths[name].stat().st_size)
    except OSError as error:
        with contextlib.suppress(OSError):
            for path in (*paths.values(), folder / ABOUT_NAME):
                path.unlink(missing_ok=True)
        raise _cannot_write(folder, error) from None
    return arrays


def open_arrays(folder: Path, mode: str = "r") -> dict[str, Any]:
    """Open the arrays that `make_arrays` made; raise DataError if one is missing or truncated."""
    try:
        return {
            field: np.load(folder / f"{name}.npy", mmap_mode=mode)  # type: ignore[arg-type]
            for field, name in ARRAYS.items()
        }
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} can't be used ({error}): {START_OVER}") from None


def read_about(folder: Path) -> dict[str, Any] | None:
    """Read about.json; return None if `cut` never wrote to the folder."""
    path = folder / ABOUT_NAME
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read ({error}): {START_OVER}") from None
    return about


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write about.json and make the folder if necessary; raise DataError if either fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    with replaced_file(folder / ABOUT_NAME) as partial:
        partial.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _cannot_write(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder} can't be written: {reason_of(error)}")


def open_crops(folder: Path) -> Crops:
    """Open a finished folder of `cut`; raise DataError if it is missing, unfinished or damaged."""
    about = read_about(folder)
    if about is None:
        raise DataError(f"{folder} was not written by python -m train cut: it has no {ABOUT_NAME}")
    if about["done"] < about["crops"]:
        raise DataError(f"{folder} holds {about['done']} of {about['crops']} crops: {CUT_AGAIN} to continue")
    arrays = open_arrays(folder)
    if any(len(array) != about["crops"] for array in arrays.values()):
        raise DataError(f"{folder} holds arrays of different lengths: {CUT_AGAIN} into another folder")
    return Crops(about, **arrays)
