"""`python -m train cut`: prepared photographs -> crops for `fit`, each with the landmark network's output.

MediaPipe's landmark network reads every crop twice here: as it is, and turned until the hand is upright.
Its features are a part of what letters are read from (`train.model.network`), and half of the crops are
relit before it reads them. `fit` relights the stored crops again and trains the ResNet to predict the same
maps: that needs no labels, and makes a hand in the dark look like a hand.
"""

import argparse
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from edge.errors import DataError
from edge.geometry import hand_direction_rad, limit_zoom, rotated_square_around
from edge.preprocess import crop_square
from edge.printable import print_line
from edge.records import Array, Image
from train.crops.compose import NO_HAND_FRACTION, CropComposer
from train.crops.store import PICTURE_PX, make_arrays, open_arrays, read_about, write_about
from train.data.prepared import Prepared, open_prepared
from train.model.landmarker import FEATURES, MIDDLE, SIZE_PX, Landmarker
from train.model.network import BORDER_PX

# Standard deviations of the upright square's error, as on a device: radians, and fractions of its side.
ROTATION_ERROR_RAD, POSITION_ERROR, SIZE_ERROR = np.deg2rad(8), 0.05, 0.1
MIN_PICTURE_PX, MAX_PICTURE_PX = 32, SIZE_PX - 2 * BORDER_PX  # a crop holds no more for the ResNet
BLOCK = 1000  # crops between two updates of about.json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train cut`."""
    add = parser.add_argument
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add(
        "--output",
        type=Path,
        default=Path("crops"),
        help="folder to write, or to continue after a stopped run; a crop of the default size takes 123 kB",
    )
    add("--crops", type=int, default=80000, help="number of crops, over all pictures")
    add("--synthetic-share", type=float, default=0.38, help="fraction of crops with a synthetic hand, 0..1")
    add("--made-share", type=float, default=0.2, help="fraction of crops with a made person, 0..1, if the "
        "data has pictures of python -m train people")  # fmt: skip
    add(
        "--picture-px",
        type=int,
        default=PICTURE_PX,
        help=f"side of the pictures stored for the ResNet, {MIN_PICTURE_PX} to {MAX_PICTURE_PX} px",
    )
    add("--seed", type=int, default=0, help="the same seed gives the same crops")
    add("--workers", type=int, default=os.cpu_count() or 1, help="number of processes; more need more memory")


def main(args: argparse.Namespace) -> int:
    """Cut the crops that are not yet in the folder; return 0."""
    _check_arguments(args)
    prepared = open_prepared(args.data)
    about = _open_folder(args, len(prepared))
    if about["done"]:
        arrays = open_arrays(args.output, "r+")
    else:  # a previous run may have been killed while it made the arrays
        arrays = make_arrays(args.output, args.crops, prepared.source.dtype, args.picture_px)
    cv2.setNumThreads(0)  # the processes are the parallelism
    loader = DataLoader(
        CropWriter(prepared, arrays, args),
        batch_size=None,
        sampler=range(about["done"], args.crops),
        num_workers=args.workers,
    )
    with tqdm(total=args.crops, initial=about["done"], unit="crop") as bar:
        for position in _iterate(loader):
            bar.update(1)
            if (position + 1) % BLOCK == 0 or position + 1 == args.crops:
                for array in arrays.values():
                    array.flush()
                about["done"] = position + 1
                write_about(args.output, about)
    print_line(f"wrote {args.output}: {args.crops:,} crops of {len(prepared):,} pictures")
    return 0


def _check_arguments(args: argparse.Namespace) -> None:
    most = 1 - NO_HAND_FRACTION
    if not 0 <= args.made_share <= most:
        raise DataError(f"--made-share must be 0 to {most}, got {args.made_share}")
    most -= args.made_share
    if not 0 <= args.synthetic_share <= most:
        raise DataError(
            f"--synthetic-share must be 0 to {most:g} beside --made-share "
            f"{args.made_share}, got {args.synthetic_share}"
        )
    if args.crops < 1:
        raise DataError(f"--crops must be 1 or more, got {args.crops}")
    if not MIN_PICTURE_PX <= args.picture_px <= MAX_PICTURE_PX:
        raise DataError(f"--picture-px must be {MIN_PICTURE_PX} to {MAX_PICTURE_PX}, got {args.picture_px}")


def _open_folder(args: argparse.Namespace, pictures: int) -> dict[str, Any]:
    """Return about.json of the output folder; raise DataError if the folder holds something else."""
    requested = {
        "data": str(args.data),
        "pictures": pictures,
        "crops": args.crops,
        "synthetic_share": args.synthetic_share,
        "made_share": args.made_share,
        "picture_px": args.picture_px,
        "seed": args.seed,
    }
    about = read_about(args.output)
    if about is None:
        if args.output.exists() and any(args.output.iterdir()):
            raise DataError(f"{args.output} exists and was not written by cut: name another --output")
        about = {**requested, "done": 0}
        write_about(args.output, about)
    about.setdefault("picture_px", PICTURE_PX)  # missing in folders that were cut before the flag existed
    if differ := sorted(name for name in requested if requested[name] != about.get(name)):
        raise DataError(f"{args.output} holds crops with another {', '.join(differ)}: name another --output")
    return about


def _iterate(loader: "DataLoader[int]") -> Iterator[int]:
    """Yield from `loader`; raise DataError if the system ends one of its processes."""
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            "a worker process was killed, probably because memory ran out: run the same command again to "
            "continue; --workers 1 needs the least memory"
        ) from None


class CropWriter(Dataset[int]):
    """Write crop number `position` into the arrays, which all processes share, and return `position`."""

    def __init__(self, prepared: Prepared, arrays: dict[str, Any], args: argparse.Namespace) -> None:
        self._compose = CropComposer(prepared, args.synthetic_share, args.made_share, args.seed)
        self._arrays, self._seed = arrays, args.seed

    @cached_property
    def _landmarker(self) -> Landmarker:
        return Landmarker()  # made in the worker: an onnxruntime session does not survive a fork

    def __getitem__(self, position: int) -> int:
        crop = self._compose(position)
        image, size = crop.pop("image"), self._arrays["image"].shape[1:3]
        inner = image[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
        small = cv2.resize(inner, size, interpolation=cv2.INTER_AREA)
        held = self._landmarker(image)
        upright = self._landmarker(turn_upright(self._seed, position, image, held["landmarks"]))
        middle, features = (np.stack([held.pop(name), upright[name]]) for name in (MIDDLE, FEATURES))
        landmarks = np.stack([held.pop("landmarks"), upright["landmarks"]]) / np.float32(SIZE_PX)
        both = {"middle": middle, "features": features, "predicted_landmarks": landmarks}
        for name, value in {**crop, "image": small, **held, **both}.items():
            self._arrays[name][position] = value
        return position


def turn_upright(seed: int, position: int, crop: Image, landmarks: Array) -> Image:
    """Turn (S, S, 3) until the hand with these landmarks, (21, 2) px, is upright but for a random error."""
    rng, side_px = np.random.default_rng([seed, position, 1]), len(crop)
    rotation_rad = hand_direction_rad(landmarks) + float(rng.normal(0, ROTATION_ERROR_RAD))
    x_error, y_error, size_error = rng.normal(0, (POSITION_ERROR, POSITION_ERROR, SIZE_ERROR))
    cx, cy, side = rotated_square_around(landmarks, rotation_rad)
    side = limit_zoom(side, side_px)
    square = float(cx + x_error * side), float(cy + y_error * side), float(side * np.exp(size_error))
    return crop_square(crop, square, side_px, rotation_rad)
