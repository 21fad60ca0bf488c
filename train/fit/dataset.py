"""Stored crops -> training samples: which crop comes next, in which light, and what is to be answered."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from edge.geometry import MARGIN, SKIN, box_around, square_around
from edge.preprocess import crop_square, whole_square
from edge.records import LETTERS, Array, Image
from train.crops import augment
from train.crops.store import Crops
from train.data.prepared import Prepared
from train.model.landmarker import HINTS

NO_LETTER = -1  # no hand, or a letter that nobody knows: the letter loss is masked
OTHER_SIGN = -2  # a hand that signs no letter (`space`, `del`): all letters should be equally unlikely

Sample = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Light:
    """How an epoch's crops are shown."""

    size_px: int  # of the ResNet's picture
    strength: float  # of the changes of light, 0..1
    seed: int
    epoch: int


class LitCrops(Dataset[Sample]):
    """Sample number `position` of an epoch; it depends on (seed, epoch, position) alone.

    image (T, T, 3) uint8 as the ResNet sees it, letter int64 (0..25, NO_LETTER or OTHER_SIGN), presence
    float, points (21, 2) fractions, has_points float, and the teacher's maps, float16, by the names of HINTS.
    """

    def __init__(self, crops: Crops, rows: np.ndarray, light: Light) -> None:
        self._crops, self._light = crops, light
        self._rows = np.random.default_rng([light.seed, light.epoch]).permutation(rows)

    def __getitem__(self, position: int) -> Sample:
        cv2.setNumThreads(0)  # the loader's processes are the parallelism
        light, crops = self._light, self._crops
        rng = np.random.default_rng([light.seed, light.epoch, position])
        row = int(self._rows[position % len(self._rows)])
        shown = np.asarray(crops.image[row])
        if shown.shape[0] != light.size_px:
            shown = cv2.resize(shown, (light.size_px, light.size_px), interpolation=cv2.INTER_AREA)
        points = np.array(crops.points[row])
        known = bool(np.isfinite(points).all())
        return {
            "image": torch.from_numpy(augment.change_light(rng, np.asarray(shown, np.uint8), light.strength)),
            "letter": torch.tensor(int(crops.letter[row])),
            "presence": torch.tensor(float(crops.presence[row])),
            "points": torch.from_numpy(points if known else np.zeros_like(points)),
            "has_points": torch.tensor(float(known)),
            **{name: torch.from_numpy(np.array(getattr(crops, name)[row])) for name in HINTS},
        }


class EpochPositions(Sampler[int]):
    """0, 1, 2 ... of an epoch, every `world`-th of them for one of several processes."""

    def __init__(self, samples: int, rank: int = 0, world: int = 1) -> None:
        self._positions = range(rank, samples - samples % world, world)

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


def balance(prepared: Prepared, rows: np.ndarray) -> np.ndarray:
    """Chance of each row: letters come equally often, and within a letter a source counts by the square
    root of its pictures, so that a large source leads without drowning the small ones."""
    keys = np.char.add(np.char.add(prepared.letter[rows], "\t"), prepared.source[rows])
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    per_picture = 1 / np.sqrt(sizes[group])
    _, letter = np.unique(prepared.letter[rows], return_inverse=True)
    totals = np.bincount(letter, weights=per_picture)
    chances = per_picture / totals[letter]
    return np.asarray(chances / chances.sum())


def letter_index(letter: str) -> int:
    """'A'..'Z' -> 0..25; 'nothing' -> NO_LETTER; 'space' and 'del' -> OTHER_SIGN."""
    if letter in LETTERS:
        return LETTERS.index(letter)
    return NO_LETTER if letter == "nothing" else OTHER_SIGN


def plain_crop(prepared: Prepared, row: int, size_px: int) -> Image:
    """(S, S, 3) around the hand as the device cuts it, or the whole picture where no hand is marked."""
    image = prepared.picture(row)
    points, box = points_of(prepared, row), prepared.box_xyxy[row]
    if points is not None:
        return crop_square(image, square_around(box_around(points)), size_px)
    if np.isfinite(box).all():  # of the whole hand
        x0, y0, x1, y1 = map(float, box)
        return crop_square(image, square_around((x0, y0, x1, y1), MARGIN / (1 + 2 * SKIN)), size_px)
    return crop_square(image, whole_square(image), size_px)


def points_of(prepared: Prepared, row: int) -> Array | None:
    """(21, 2) px of the stored picture, or None where they are not known."""
    points = prepared.points[row]
    return points if np.isfinite(points).all() else None
