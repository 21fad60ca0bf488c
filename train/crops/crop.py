"""`python -m train cut`: prepared photographs -> crops for `fit`, each with what the teacher saw in it.

MediaPipe's landmark network reads every crop twice, here: as it is, and turned until the hand stands
upright. What it sees is a part of what letters are read from (`train.model.network`), so that half of the
crops come in another light. `fit` shows them again and again in other lights still, and asks the ResNet for
the same maps: no letter is needed for that, and a hand in the dark is to look like a hand.
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
from edge.records import LETTERS, N_LANDMARKS, Array, Image
from train.crops import augment
from train.crops.augment import Rng
from train.crops.store import NO_PICTURE, PICTURE_PX, make_arrays, open_arrays, read_about, write_about
from train.data.prepared import Prepared, open_prepared
from train.fit.dataset import NO_LETTER, OTHER_SIGN, balance, letter_index, points_of
from train.model.landmarker import FEATURES, LATE, Landmarker
from train.model.landmarker import SIZE_PX as TEACHER_PX
from train.model.network import BORDER_PX
from train.synthetic.drawn import draw_background, draw_hand
from train.synthetic.rendered import render_hand

NO_HAND_SHARE = 0.12  # of the crops
# Of the made hands: relaxed, open or half closed, they sign no letter. Few photographs show such hands, and
# what a network has never seen it takes for a letter.
NO_LETTER_SHARE = 0.25
PAINTED_SHARE = 0.15  # of the made hands: as the demonstration's signer draws them; the others are rendered
MADE_BACKGROUND_SHARE = 0.4  # of the backgrounds; the others are cut from pictures, away from their hand
STRENGTH = (0.2, 1.0)  # of the geometry: a crop draws its own, so that easy and hard ones mix
RELIT_SHARE = 0.5  # of the crops
RELIT_STRENGTH = (0.2, 0.9)  # of the changes of light
# How far the turned square is off, as it will be on the device: radians, and shares of its side.
TURN_OFF, PLACE_OFF, SIZE_OFF = np.deg2rad(8), 0.05, 0.1
MOST_PX = TEACHER_PX - 2 * BORDER_PX  # of what the ResNet may see: there is no more in a crop
BLOCK = 1000  # crops between two notes of how far it is

Cut = dict[str, Any]  # a value for each array of train.crops.store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `python -m train cut`."""
    add = parser.add_argument
    add("--data", type=Path, default=Path("prepared"), help="folder that prepare wrote")
    add(
        "--output",
        type=Path,
        default=Path("crops"),
        help="goes on where it was stopped; 123 kB a crop of the usual size",
    )
    add("--crops", type=int, default=80000, help="how many, over all pictures")
    add("--synthetic-share", type=float, default=0.38, help="of the crops: made hands, 0..1")
    add("--picture-px", type=int, default=PICTURE_PX, help=f"what the ResNet may see: 32 to {MOST_PX} px")
    add("--seed", type=int, default=0, help="the same seed gives the same crops")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes that cut")


def main(args: argparse.Namespace) -> int:
    """Cut what is not yet cut; 0 at the end."""
    if not 0 <= args.synthetic_share <= 1 - NO_HAND_SHARE:
        raise DataError(f"--synthetic-share {args.synthetic_share}: wanted 0 to {1 - NO_HAND_SHARE}")
    if args.crops < 1:
        raise DataError(f"--crops {args.crops}: wanted 1 or more")
    if not 32 <= args.picture_px <= MOST_PX:
        raise DataError(f"--picture-px {args.picture_px}: wanted 32 to {MOST_PX}")
    prepared = open_prepared(args.data)
    wanted = {
        "data": str(args.data),
        "pictures": len(prepared),
        "crops": args.crops,
        "synthetic_share": args.synthetic_share,
        "picture_px": args.picture_px,
        "seed": args.seed,
    }
    about = read_about(args.output)
    if about is None:
        if args.output.exists() and any(args.output.iterdir()):
            raise DataError(f"{args.output} exists and is no folder of cut: name another --output")
        about = {**wanted, "done": 0}
        write_about(args.output, about)
    about.setdefault("picture_px", PICTURE_PX)  # folders were cut before it could be chosen
    if differ := sorted(name for name in wanted if wanted[name] != about.get(name)):
        raise DataError(f"{args.output} holds crops of another {', '.join(differ)}: name another --output")
    if about["done"]:
        arrays = open_arrays(args.output, "r+")
    else:  # it may have been killed while it made the arrays
        arrays = make_arrays(args.output, args.crops, prepared.source.dtype, args.picture_px)
    cv2.setNumThreads(0)  # the processes are the parallelism
    loader = DataLoader(
        Cutting(prepared, arrays, args.synthetic_share, args.seed),
        batch_size=None,
        sampler=range(about["done"], args.crops),
        num_workers=args.workers,
    )
    with tqdm(total=args.crops, initial=about["done"], unit="crop") as bar:
        for position in _in_turn(loader):
            bar.update(1)
            if (position + 1) % BLOCK == 0 or position + 1 == args.crops:
                for array in arrays.values():
                    array.flush()
                about["done"] = position + 1
                write_about(args.output, about)
    print(f"wrote {args.output}: {args.crops:,} crops of {len(prepared):,} pictures")
    return 0


def _in_turn(loader: "DataLoader[int]") -> Iterator[int]:
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            "a process that cuts was ended, as the system does where memory is short: run the same command "
            "again, it goes on; --workers 1 takes least"
        ) from None


class Cutting(Dataset[int]):
    """Crop number `position` is cut into the arrays, which all processes share, when it is asked for; it is
    its number."""

    def __init__(self, prepared: Prepared, arrays: dict[str, Any], synthetic_share: float, seed: int) -> None:
        self._cutter, self._arrays, self._seed = Cutter(prepared, synthetic_share, seed), arrays, seed

    @cached_property
    def _teacher(self) -> Landmarker:
        return Landmarker()  # in the process that asks it: onnxruntime does not live on in a fork

    def __getitem__(self, position: int) -> int:
        made = self._cutter(position)
        crop, size = made.pop("image"), self._arrays["image"].shape[1:3]
        middle = crop[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
        small = cv2.resize(middle, size, interpolation=cv2.INTER_AREA)
        seen = self._teacher(crop)
        turned = self._teacher(turned_upright(self._seed, position, crop, seen["points"]))
        late, features = (np.stack([seen.pop(name), turned[name]]) for name in (LATE, FEATURES))
        named = np.stack([seen.pop("points"), turned["points"]]) / np.float32(TEACHER_PX)
        of_both = {"late": late, "features": features, "named": named}
        for name, value in {**made, "image": small, **seen, **of_both}.items():
            self._arrays[name][position] = value
        return position


class Cutter:
    """Crop number `position`, 224 px; it depends on (seed, position) alone.

    Hand and background are of one source: a network that must not see a source sees nothing of its rooms.
    """

    def __init__(self, prepared: Prepared, synthetic_share: float, seed: int) -> None:
        self._prepared, self._synthetic_share, self._seed = prepared, synthetic_share, seed
        self._cumulative = np.cumsum(balance(prepared, np.arange(len(prepared))))
        self._of_source = {
            name: np.flatnonzero(prepared.source == name) for name in np.unique(prepared.source)
        }

    def __call__(self, position: int) -> Cut:
        rng = np.random.default_rng([self._seed, position])
        made = self._made(rng)
        if rng.random() < RELIT_SHARE:
            made["image"] = augment.change_light(rng, made["image"], float(rng.uniform(*RELIT_STRENGTH)))
        return made

    def _made(self, rng: Rng) -> Cut:
        row = min(
            int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1])),
            len(self._prepared) - 1,
        )
        source = str(self._prepared.source[row])
        kind, strength = rng.random(), float(rng.uniform(*STRENGTH))
        background, source_of_background = self._background(rng, source)
        if kind < NO_HAND_SHARE:
            return _cut(augment.letterbox(rng, background), NO_LETTER, None, 0.0, source_of_background)
        if kind < NO_HAND_SHARE + self._synthetic_share:
            small = strength * 0.3 > rng.random()
            letter = None if rng.random() < NO_LETTER_SHARE else LETTERS[rng.integers(len(LETTERS))]
            make = draw_hand if rng.random() < PAINTED_SHARE else render_hand
            fraction = (0.3, 0.6) if small else (0.5, 0.9)
            made = make(rng, letter, TEACHER_PX, background=background, hand_fraction=fraction)
            points = made.points / np.float32(TEACHER_PX)
            label = OTHER_SIGN if letter is None else letter_index(letter)
            return _cut(made.image, label, points, 1.0, source_of_background)
        picture, at = self._prepared.picture(row), points_of(self._prepared, row)
        crop, where = augment.crop_hand(rng, picture, at, TEACHER_PX, strength, background)
        crop, where = augment.bend(rng, crop, where, strength)
        letter = str(self._prepared.letter[row])
        return _cut(crop, letter_index(letter), where, float(letter != "nothing"), source, row)

    def _background(self, rng: Rng, source: str) -> tuple[Image, str]:
        """(S, S, 3) without a hand and its source: cut from a picture beside its hand, or made ("")."""
        if rng.random() >= MADE_BACKGROUND_SHARE:
            rows = self._of_source[source]
            row = int(rows[rng.integers(len(rows))])
            points = points_of(self._prepared, row)
            if points is not None or self._prepared.letter[row] == "nothing":
                picture = self._prepared.picture(row)
                square = augment.background_square(rng, picture, points)
                if square is not None:
                    return crop_square(picture, square, TEACHER_PX), source
        return draw_background(rng, TEACHER_PX), ""


def turned_upright(seed: int, position: int, crop: Image, points: Array) -> Image:
    """(S, S, 3) and the points that the teacher saw in it, (21, 2) px -> the hand, about upright."""
    rng, side_px = np.random.default_rng([seed, position, 1]), len(crop)
    turn_rad = hand_direction_rad(points) + float(rng.normal(0, TURN_OFF))
    x_off, y_off, size_off = rng.normal(0, (PLACE_OFF, PLACE_OFF, SIZE_OFF))
    cx, cy, side = rotated_square_around(points, turn_rad)
    side = limit_zoom(side, side_px)
    square = float(cx + x_off * side), float(cy + y_off * side), float(side * np.exp(size_off))
    return crop_square(crop, square, side_px, turn_rad)


def _cut(
    crop: Image, letter: int, points: Array | None, present: float, source: str, picture: int = NO_PICTURE
) -> Cut:
    unknown = np.full((N_LANDMARKS, 2), np.nan, np.float32)
    near = None if points is None else (points * TEACHER_PX - BORDER_PX) / (TEACHER_PX - 2 * BORDER_PX)
    return {
        "image": crop,
        "letter": letter,
        "presence": present,
        "points": unknown if near is None else near,
        "source": source,
        "picture": picture,
    }
