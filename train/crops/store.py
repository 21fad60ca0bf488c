"""The folder that `cut` writes and `fit` reads: pictures cut many times, with what the teacher saw there.

crops/
  image.npy ... one array for each field below, N long
  about.json    what they were cut from and how, and how many are done: a stopped run goes on
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
from train.model.landmarker import HINTS, LATE_SHAPE, N_FEATURES
from train.replace import replaced_file

PICTURE_PX = 128  # of the stored pictures, unless `cut` is told otherwise; `fit` scales them down
ABOUT_NAME = "about.json"
NO_PICTURE = -1  # of a crop that shows no photographed hand
AGAIN = "run python -m train cut again"
ANEW = f"delete the folder and {AGAIN}"


@dataclass(frozen=True, eq=False)
class Crops:
    """N crops; memory maps."""

    about: dict[str, Any]
    image: npt.NDArray[
        np.uint8
    ]  # (N, P, P, 3) RGB: what the ResNet sees of a crop (train.model.network.near)
    letter: npt.NDArray[np.int64]  # (N,) 0..25, NO_LETTER or OTHER_SIGN (train.fit.dataset)
    presence: Array  # (N,) 0 or 1
    points: Array  # (N, 21, 2) fractions of that picture's side, NaN where they are not known
    source: npt.NDArray[np.str_]  # (N,) whose picture, hand and background it is; "" is made
    picture: npt.NDArray[np.int64]  # (N,) the row of the prepared data whose hand it shows; NO_PICTURE
    at_16: npt.NDArray[np.float16]  # (N, 112, 7, 7) the teacher's maps
    at_32: npt.NDArray[np.float16]  # (N, 1152, 3, 3)
    # (N, 2, 192, 7, 7) what its last blocks see of the crop, and of it turned until the hand stands upright
    late: npt.NDArray[np.float16]
    features: npt.NDArray[np.float16]  # (N, 2, 1152) what it has of either, before they learn further
    named: Array  # (N, 2, 21, 2) the points that it names in either, fractions of the side

    def __len__(self) -> int:
        return len(self.letter)


ARRAYS = tuple(field.name for field in fields(Crops) if field.name != "about")


def make_arrays(folder: Path, n: int, names: "np.dtype[Any]", picture_px: int = PICTURE_PX) -> dict[str, Any]:
    """New arrays for n crops, on disk, zero; `names` is wide enough for every source. DataError where there
    is no room; nothing is left then."""
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "image": ((picture_px, picture_px, 3), np.uint8),
        "letter": ((), np.int64),
        "presence": ((), np.float32),
        "points": ((N_LANDMARKS, 2), np.float32),
        "source": ((), names),
        "picture": ((), np.int64),
        **{name: (shape, np.float16) for name, shape in HINTS.items()},
        "late": ((2, *LATE_SHAPE), np.float16),
        "features": ((2, N_FEATURES), np.float16),
        "named": ((2, N_LANDMARKS, 2), np.float32),
    }
    paths = {name: folder / f"{name}.npy" for name in shapes}
    arrays = {}
    try:
        for name, (shape, dtype) in shapes.items():
            arrays[name] = np.lib.format.open_memmap(paths[name], "w+", dtype, (n, *shape))
            with paths[name].open("r+b") as file:  # a map that finds it full later ends its process
                os.posix_fallocate(file.fileno(), 0, paths[name].stat().st_size)
    except OSError as error:
        with contextlib.suppress(OSError):
            for path in (*paths.values(), folder / ABOUT_NAME):
                path.unlink(missing_ok=True)
        raise _cannot_be_written(folder, error) from None
    return arrays


def open_arrays(folder: Path, mode: str = "r") -> dict[str, Any]:
    """Those that `make_arrays` made; DataError where one is missing or cut off."""
    try:
        return {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in ARRAYS}  # type: ignore[arg-type]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder} can't be used ({error}): {ANEW}") from None


def read_about(folder: Path) -> dict[str, Any] | None:
    """What `cut` said of the folder; None where it never wrote there."""
    path = folder / ABOUT_NAME
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read ({error}): {ANEW}") from None
    return about


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Into a new folder where there is none. DataError where it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_be_written(folder, error) from None
    with replaced_file(folder / ABOUT_NAME) as partial:
        partial.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _cannot_be_written(folder: Path, error: OSError) -> DataError:
    return DataError(f"{folder} can't be written: {reason_of(error)}")


def open_crops(folder: Path) -> Crops:
    """A finished folder of `cut`; DataError where it is absent, unfinished or damaged."""
    about = read_about(folder)
    if about is None:
        raise DataError(f"{folder} is no folder of python -m train cut: it has no {ABOUT_NAME}")
    if about["done"] < about["crops"]:
        raise DataError(f"{folder} holds {about['done']} of {about['crops']} crops: {AGAIN}, it goes on")
    arrays = open_arrays(folder)
    if any(len(array) != about["crops"] for array in arrays.values()):
        raise DataError(f"{folder} holds arrays of differing length: {AGAIN}, into another folder")
    return Crops(about, **arrays)
