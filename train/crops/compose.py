"""Compose a training crop: a photographed hand, a synthetic hand, or a background without a hand."""

from typing import Any

import numpy as np

from edge.preprocess import crop_square
from edge.records import LETTERS, N_LANDMARKS, Array, Image
from train.crops import geometry, lighting
from train.crops.geometry import Rng
from train.crops.labels import NO_LETTER, OTHER_SIGN, balance, letter_index
from train.crops.store import NO_PICTURE
from train.data.prepared import Prepared
from train.model.landmarker import SIZE_PX
from train.model.network import BORDER_PX
from train.synthetic.drawn import draw_background, draw_hand
from train.synthetic.people import SOURCE as MADE
from train.synthetic.rendered import render_hand

NO_HAND_FRACTION = 0.12  # of the crops show no hand
# Of the synthetic hands sign no letter: relaxed, open or half closed. Few photographs show such hands, and
# a network takes for a letter what it has never seen.
OTHER_SIGN_FRACTION = 0.25
PAINTED_FRACTION = 0.15  # of the synthetic hands are painted as in `asl-edge demo`; the others are rendered
SYNTHETIC_BACKGROUND_FRACTION = 0.4  # of the backgrounds; the others are cut from pictures beside the hand
PART_FRACTION = 0.6  # of the pictures without a hand show only a part, such as the face
GEOMETRY_STRENGTH = (0.2, 1.0)  # drawn per crop, so that easy and hard crops mix
RELIT_FRACTION = 0.5  # of the crops
RELIT_STRENGTH = (0.2, 0.9)

Crop = dict[str, Any]  # a value for some of the fields of train.crops.store.Crops


class CropComposer:
    """Compose crop number `position`, 224 px wide; it depends on (seed, position) only.

    Hand and background come from one source, so that a network that must not see a source sees nothing of
    its rooms. `synthetic_fraction` of the crops show synthetic hands, and `made_fraction` of them made people
    if the prepared folder has any.
    """

    def __init__(
        self, prepared: Prepared, synthetic_fraction: float, made_fraction: float, seed: int
    ) -> None:
        self._prepared, self._synthetic_fraction, self._seed = prepared, synthetic_fraction, seed
        is_made = prepared.source == MADE
        self._made, self._photographed = (
            _Draw(prepared, np.flatnonzero(chosen)) for chosen in (is_made, ~is_made)
        )
        self._made_fraction = made_fraction if is_made.any() else 0.0
        self._rows_by_source = {
            name: np.flatnonzero(prepared.source == name) for name in np.unique(prepared.source)
        }

    def __call__(self, position: int) -> Crop:
        rng = np.random.default_rng([self._seed, position])
        crop = self._compose(rng)
        if rng.random() < RELIT_FRACTION:
            crop["image"] = lighting.relight(rng, crop["image"], float(rng.uniform(*RELIT_STRENGTH)))
        return crop

    def _compose(self, rng: Rng) -> Crop:
        kind, strength = rng.random(), float(rng.uniform(*GEOMETRY_STRENGTH))
        is_made = kind >= 1 - self._made_fraction or kind < NO_HAND_FRACTION * self._made_fraction
        is_made = is_made or not len(self._photographed.rows)
        row = (self._made if is_made else self._photographed)(rng)
        background, background_source = self._draw_background(rng, str(self._prepared.source[row]))
        if kind < NO_HAND_FRACTION:
            image = geometry.letterbox(rng, background)
            return _describe(image, NO_LETTER, None, 0.0, background_source)
        if kind < NO_HAND_FRACTION + self._synthetic_fraction:
            return _compose_synthetic(rng, strength, background, background_source)
        return self._compose_photographed(rng, row, strength, background)

    def _compose_photographed(self, rng: Rng, row: int, strength: float, background: Image) -> Crop:
        picture, landmarks = self._prepared.picture(row), self._prepared.known_landmarks(row)
        if self._prepared.letter[row] == "nothing" and rng.random() < PART_FRACTION:
            picture = _cut_part(rng, picture)
        crop, landmarks = geometry.crop_hand(rng, picture, landmarks, SIZE_PX, strength, background)
        crop, landmarks = geometry.bend(rng, crop, landmarks, strength)
        letter, source = str(self._prepared.letter[row]), str(self._prepared.source[row])
        return _describe(crop, letter_index(letter), landmarks, float(letter != "nothing"), source, row)

    def _draw_background(self, rng: Rng, source: str) -> tuple[Image, str]:
        """Return (S, S, 3) without a hand, and its source: cut from a picture, or synthetic ("")."""
        if rng.random() >= SYNTHETIC_BACKGROUND_FRACTION:
            rows = self._rows_by_source[source]
            row = int(rows[rng.integers(len(rows))])
            landmarks = self._prepared.known_landmarks(row)
            if landmarks is not None or self._prepared.letter[row] == "nothing":
                picture = self._prepared.picture(row)
                square = geometry.find_background(rng, picture, landmarks)
                if square is not None:
                    return crop_square(picture, square, SIZE_PX), source
        return draw_background(rng, SIZE_PX), ""


class _Draw:
    """Draw one of these rows of the prepared folder, each letter equally often."""

    def __init__(self, prepared: Prepared, rows: np.ndarray) -> None:
        self.rows, self._cumulative = rows, np.cumsum(balance(prepared, rows))

    def __call__(self, rng: Rng) -> int:
        at = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1]))
        return int(self.rows[min(at, len(self.rows) - 1)])


def _cut_part(rng: Rng, picture: Image) -> Image:
    """Cut a square of a fifth to four fifths of the shorter side out of (H, W, 3)."""
    height, width = picture.shape[:2]
    side = max(8, round(min(height, width) * float(rng.uniform(0.2, 0.8))))
    x, y = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    return picture[y : y + side, x : x + side]


def _compose_synthetic(rng: Rng, strength: float, background: Image, background_source: str) -> Crop:
    is_small = strength * 0.3 > rng.random()
    letter = None if rng.random() < OTHER_SIGN_FRACTION else LETTERS[rng.integers(len(LETTERS))]
    make = draw_hand if rng.random() < PAINTED_FRACTION else render_hand
    hand_fraction = (0.3, 0.6) if is_small else (0.5, 0.9)
    hand = make(rng, letter, SIZE_PX, background=background, hand_fraction=hand_fraction)
    label = OTHER_SIGN if letter is None else letter_index(letter)
    return _describe(hand.image, label, hand.landmarks / np.float32(SIZE_PX), 1.0, background_source)


def _describe(
    crop: Image,
    letter: int,
    landmarks: Array | None,
    presence: float,
    source: str,
    picture: int = NO_PICTURE,
) -> Crop:
    """Label a crop; `landmarks` (21, 2) are fractions of its side."""
    inner: Array = np.full((N_LANDMARKS, 2), np.nan, np.float32)
    if landmarks is not None:  # as fractions of the part that the ResNet reads
        inner = np.asarray((landmarks * SIZE_PX - BORDER_PX) / (SIZE_PX - 2 * BORDER_PX), np.float32)
    return {
        "image": crop,
        "letter": letter,
        "presence": presence,
        "landmarks": inner,
        "source": source,
        "picture": picture,
    }
