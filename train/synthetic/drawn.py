"""Painted hands for training: the signer of `asl-edge demo` forms a letter, with its 21 landmarks.

The pictures are a test card and extra training data, not photographs: they show that the path works, not
how well the model reads people.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Array, Image
from edge.synthetic.background import make_background
from edge.synthetic.painter import paint_hand, random_appearance
from edge.synthetic.poses import OTHERS, POSES, SIGNERS_VIEW, Joints, Pose, blend, hand_joints, rotation

OVERSAMPLING = 2  # hands are painted at twice the size and averaged down for smooth edges
MARGIN = 0.25  # flesh around the outermost joints, in units of wrist to middle knuckle


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of a hand with its labels."""

    image: Image  # (S, S, 3) RGB
    landmarks: Array  # (21, 2) px
    letter: str | None


def draw_hand(
    rng: np.random.Generator,
    letter: str | None,
    size_px: int,
    *,
    background: Image | None = None,
    hand_fraction: tuple[float, float] = (0.45, 0.95),
    turn_deg: float = 22.0,
    left: bool | None = None,
) -> Drawn:
    """Paint a letter, or a hand that signs none; arguments that are not given are drawn at random.

    background: (H, W, 3), stretched to the picture. hand_fraction: range of the hand's longer side over the
    picture's. turn_deg: largest yaw, pitch and roll of the camera. left: whether it is a left hand.
    """
    side = size_px * OVERSAMPLING
    if background is None:
        background = make_background(rng, size_px)
    canvas = stretch(background, side)
    appearance = random_appearance(rng)
    mirrored = bool(rng.random() < 0.5)
    mirrored = mirrored if left is None else left
    lengths = rng.normal(1, 0.06, 5) * rng.normal(1, 0.05)
    joints = hand_joints(draw_pose(rng, letter), lengths) @ rotation(*rng.uniform(-turn_deg, turn_deg, 3)).T
    unit_px, offset_px = place(rng, joints, side, hand_fraction)
    centre_px = side / 2 + offset_px * (-1 if mirrored else 1, 1)
    landmarks = paint_hand(canvas, joints, unit_px, centre_px, appearance, mirrored)
    return finish(rng, canvas, landmarks, letter)


def stretch(background: Image, side: int) -> Image:
    """Stretch (H, W, 3) to a new picture (S, S, 3) to paint on."""
    how = cv2.INTER_AREA if max(background.shape) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(background, (side, side), interpolation=how), np.uint8)


def place(
    rng: np.random.Generator, joints: Joints, side: int, hand_fraction: tuple[float, float]
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return px from wrist to middle knuckle, and (2,) px from the picture's centre to the hand's."""
    size = np.ptp(joints[:, :2], axis=0) + MARGIN
    unit_px = side * rng.uniform(*hand_fraction) / float(size.max())
    free_px = np.maximum(side - size * unit_px, 0) / 2
    return unit_px, rng.uniform(-1, 1, 2) * free_px


def finish(
    rng: np.random.Generator, canvas: Image, landmarks: npt.NDArray[np.float64], letter: str | None
) -> Drawn:
    """Shrink the painted canvas by OVERSAMPLING and photograph it; landmarks (21, 2) are px of the canvas."""
    size_px = canvas.shape[0] // OVERSAMPLING
    image = np.asarray(cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    return Drawn(photograph(rng, image), (landmarks / OVERSAMPLING).astype(np.float32), letter)


def draw_background(rng: np.random.Generator, size_px: int) -> Image:
    """Draw (S, S, 3), a picture without a hand."""
    return photograph(rng, make_background(rng, size_px))


def draw_pose(rng: np.random.Generator, letter: str | None) -> Pose:
    """Return (25,): the letter as one person forms it, or a hand that signs none.

    Some letters are at times posed as their signer sees them.
    """
    if letter is None:
        pose = draw_idle_pose(rng)
    else:
        as_signer_sees = letter in SIGNERS_VIEW and rng.random() < 0.5
        pose = (SIGNERS_VIEW if as_signer_sees else POSES)[letter].copy()
    return vary(rng, pose)


def draw_idle_pose(rng: np.random.Generator) -> Pose:
    """Return (25,): a hand that signs no letter."""
    a, b = rng.choice(len(OTHERS), 2, replace=False)
    return blend(OTHERS[a], OTHERS[b], float(rng.uniform(0, 0.35)))


def vary(rng: np.random.Generator, pose: Pose) -> Pose:
    """Return the pose (25,) as one person's fingers form it."""
    pose = pose.copy()
    pose[:16] += rng.normal(0, np.tile([2.5, 5, 6, 6], 4))
    pose[1:16:4] += rng.normal(0, 4)  # how tightly this person folds the fingers
    pose[16:22] += rng.normal(0, 4, 6)
    return pose


def photograph(rng: np.random.Generator, image: Image) -> Image:
    """Add uneven light, a colour cast, soft focus and sensor noise."""
    size_px = image.shape[0]
    field = rng.uniform(0.7, 1.2, (2, 2, 1)) * rng.normal(1, 0.06, 3) * rng.uniform(0.75, 1.1)
    light = cv2.resize(field.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)
    noise = rng.normal(0, rng.uniform(0, 9), image.shape[:2])
    return (image * light + noise[:, :, None]).clip(0, 255).astype(np.uint8)
