"""Prepared pictures -> training samples: which picture comes next, and what the network should answer."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from edge.hand import MARGIN, SKIN, box_around, square_around
from edge.preprocess import cut_square, whole_square
from edge.records import LETTERS, N_POINTS, Array, Image
from edge.signer import draw_background, draw_hand
from train import augment
from train.prepared import Prepared

NO_LETTER = -1  # no hand, or a letter that nobody knows: the letter loss is masked
OTHER_SIGN = -2  # a hand that signs no letter (`space`, `del`): all letters should be equally unlikely
NO_HAND_SHARE = 0.12  # of the samples
MADE_BACKGROUND_SHARE = 0.4  # of the backgrounds; the others are cut from pictures, away from their hand

Sample = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Mix:
    """What the samples are made of."""

    size_px: int
    strength: float  # of the augmentation, 0..1
    synthetic_share: float  # of the samples, 0..1: drawn by edge.signer instead of photographed
    seed: int
    epoch: int


class TrainingCrops(Dataset[Sample]):
    """Sample number `position` of an epoch; it depends on (seed, epoch, position) alone.

    image (S, S, 3) uint8, letter int64 (0..25, NO_LETTER or OTHER_SIGN), presence float, points (21, 2)
    fractions, has_points float.
    """

    def __init__(self, prepared: Prepared | None, rows: np.ndarray, mix: Mix) -> None:
        self._prepared, self._rows, self._mix = prepared, rows, mix
        chances = balance(prepared, rows) if prepared is not None and len(rows) else None
        self._cumulative = None if chances is None else np.cumsum(chances)

    def __getitem__(self, position: int) -> Sample:
        cv2.setNumThreads(0)  # the loader's processes are the parallelism
        mix = self._mix
        rng = np.random.default_rng([mix.seed, mix.epoch, position])
        kind = rng.random()
        if self._prepared is None or kind < mix.synthetic_share:
            return self._synthetic(rng)
        if kind < mix.synthetic_share + NO_HAND_SHARE:
            empty = augment.letterbox(rng, self._background(rng))
            return _sample(augment.change_light(rng, empty, mix.strength), NO_LETTER, None, present=0.0)
        row = self._draw(rng)
        crop, points = augment.crop_hand(
            rng,
            self._prepared.picture(row),
            _points(self._prepared, row),
            mix.size_px,
            mix.strength,
            self._background(rng),
        )
        letter = str(self._prepared.letter[row])
        crop = augment.change_light(rng, crop, mix.strength)
        return _sample(crop, letter_index(letter), points, present=float(letter != "nothing"))

    def _draw(self, rng: np.random.Generator) -> int:
        assert self._cumulative is not None
        at = np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1])
        return int(self._rows[min(at, len(self._rows) - 1)])

    def _synthetic(self, rng: np.random.Generator) -> Sample:
        mix = self._mix
        letter = LETTERS[rng.integers(len(LETTERS))]
        small = mix.strength * 0.5 > rng.random()
        drawn = draw_hand(
            rng,
            letter,
            mix.size_px,
            hand_fraction=(0.25, 0.6) if small else (0.5, 0.9),
            background=self._background(rng),
        )
        crop = augment.change_light(rng, drawn.image, mix.strength)
        return _sample(crop, letter_index(letter), drawn.points / np.float32(mix.size_px), present=1.0)

    def _background(self, rng: np.random.Generator) -> Image:
        """(S, S, 3) without a hand: cut from a picture beside its hand, or made."""
        size_px = self._mix.size_px
        if self._prepared is not None and len(self._rows) and rng.random() >= MADE_BACKGROUND_SHARE:
            row = int(self._rows[rng.integers(len(self._rows))])
            points = _points(self._prepared, row)
            if points is not None or self._prepared.letter[row] == "nothing":
                image = self._prepared.picture(row)
                square = augment.background_square(rng, image, points)
                if square is not None:
                    return cut_square(image, square, size_px)
        return draw_background(rng, size_px)


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
    points, box = _points(prepared, row), prepared.box_xyxy[row]
    if points is not None:
        return cut_square(image, square_around(box_around(points)), size_px)
    if np.isfinite(box).all():  # of the whole hand
        x0, y0, x1, y1 = map(float, box)
        return cut_square(image, square_around((x0, y0, x1, y1), MARGIN / (1 + 2 * SKIN)), size_px)
    return cut_square(image, whole_square(image), size_px)


def _points(prepared: Prepared, row: int) -> Array | None:
    points = prepared.points[row]
    return points if np.isfinite(points).all() else None


def _sample(crop: Image, letter: int, points: Array | None, present: float) -> Sample:
    known = points is not None
    filled = points if points is not None else np.zeros((N_POINTS, 2), np.float32)
    return {
        "image": torch.from_numpy(np.ascontiguousarray(crop)),
        "letter": torch.tensor(letter),
        "presence": torch.tensor(present),
        "points": torch.from_numpy(np.asarray(filled, np.float32)),
        "has_points": torch.tensor(float(known)),
    }
