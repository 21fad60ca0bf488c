"""Stored crops -> training samples: the order of the crops, and their light."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from edge.geometry import MARGIN, SKIN, box_around, square_around
from edge.preprocess import crop_square, whole_square
from edge.records import Image
from train.crops.lighting import relight
from train.crops.store import Crops
from train.data.prepared import Prepared
from train.model.landmarker import HINTS

Sample = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Lighting:
    """How an epoch shows the crops."""

    size_px: int  # of the ResNet's picture
    strength: float  # of the relighting, 0..1
    seed: int
    epoch: int


class LitCrops(Dataset[Sample]):
    """Sample number `position` of an epoch; it depends on (seed, epoch, position) only.

    image (T, T, 3) uint8 as the ResNet reads it, letter int64 (0..25, NO_LETTER or OTHER_SIGN), presence
    float, landmarks (21, 2) fractions, has_landmarks float, and the float16 maps that HINTS names.
    """

    def __init__(self, crops: Crops, rows: np.ndarray, lighting: Lighting) -> None:
        self._crops, self._lighting = crops, lighting
        self._rows = np.random.default_rng([lighting.seed, lighting.epoch]).permutation(rows)

    def __getitem__(self, position: int) -> Sample:
        cv2.setNumThreads(0)  # the loader's processes are the parallelism
        epoch, crops = self._lighting, self._crops
        rng = np.random.default_rng([epoch.seed, epoch.epoch, position])
        row = int(self._rows[position % len(self._rows)])
        image = np.asarray(crops.image[row])
        if image.shape[0] != epoch.size_px:
            size = (epoch.size_px, epoch.size_px)
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        landmarks = np.array(crops.landmarks[row])
        known = bool(np.isfinite(landmarks).all())
        return {
            "image": torch.from_numpy(relight(rng, np.asarray(image, np.uint8), epoch.strength)),
            "letter": torch.tensor(int(crops.letter[row])),
            "presence": torch.tensor(float(crops.presence[row])),
            "landmarks": torch.from_numpy(landmarks if known else np.zeros_like(landmarks)),
            "has_landmarks": torch.tensor(float(known)),
            **{name: torch.from_numpy(np.array(getattr(crops, name)[row])) for name in HINTS},
        }


class EpochPositions(Sampler[int]):
    """Positions 0, 1, 2 ... of an epoch; with several processes each takes every `world`-th of them."""

    def __init__(self, samples: int, rank: int = 0, world: int = 1) -> None:
        self._positions = range(rank, samples - samples % world, world)

    def __iter__(self) -> Iterator[int]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


def plain_crop(prepared: Prepared, row: int, size_px: int) -> Image:
    """Cut (S, S, 3) around the hand as a device does, or the whole picture if no hand is marked."""
    image = prepared.picture(row)
    landmarks, box = prepared.known_landmarks(row), prepared.box_xyxy[row]
    if landmarks is not None:
        return crop_square(image, square_around(box_around(landmarks)), size_px)
    if np.isfinite(box).all():  # a box holds the whole hand, skin included
        x0, y0, x1, y1 = map(float, box)
        return crop_square(image, square_around((x0, y0, x1, y1), MARGIN / (1 + 2 * SKIN)), size_px)
    return crop_square(image, whole_square(image), size_px)
