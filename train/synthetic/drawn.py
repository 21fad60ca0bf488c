"""The synthetic signer's pictures: a drawn hand that forms a letter, with its 21 points.

A test card and extra training pictures, not photographs: it shows that the path works, never how well
the model reads people.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Array, Image
from edge.synthetic.background import make_background
from edge.synthetic.painter import paint_hand, random_appearance
from edge.synthetic.poses import OTHERS, POSES, SIGNERS_VIEW, Joints, Pose, blend, hand_joints, rotation

OVERSAMPLING = 2  # painted at twice the size and averaged down: smooth edges
MARGIN = 0.25  # the flesh round the outermost joints, in units of wrist to middle knuckle


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture with what it shows."""

    image: Image  # (S, S, 3) RGB
    points: Array  # (21, 2) px, of the 21 joints
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
    """A letter (None: a hand that signs none) -> a picture of it; whatever is not given is random.

    background: (H, W, 3), stretched to the picture; hand_fraction: the hand's longer side in parts of the
    picture; turn_deg: largest yaw, pitch and roll of the camera; left: a left hand, half of them if None.
    """
    side = size_px * OVERSAMPLING
    if background is None:
        background = make_background(rng, size_px)
    canvas = stretched(background, side)
    look = random_appearance(rng)
    mirrored = bool(rng.random() < 0.5)
    mirrored = mirrored if left is None else left
    lengths = rng.normal(1, 0.06, 5) * rng.normal(1, 0.05)
    joints = hand_joints(person_pose(rng, letter), lengths) @ rotation(*rng.uniform(-turn_deg, turn_deg, 3)).T
    unit_px, offset_px = placed(rng, joints, side, hand_fraction)
    centre_px = side / 2 + offset_px * (-1 if mirrored else 1, 1)
    points = paint_hand(canvas, joints, unit_px, centre_px, look, mirrored)
    return finished(rng, canvas, points, letter)


def stretched(background: Image, side: int) -> Image:
    """(H, W, 3) -> (S, S, 3), a picture of its own to paint on."""
    how = cv2.INTER_AREA if max(background.shape) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(background, (side, side), interpolation=how), np.uint8)


def placed(
    rng: np.random.Generator, joints: Joints, side: int, hand_fraction: tuple[float, float]
) -> tuple[float, npt.NDArray[np.float64]]:
    """(21, 3) -> px from wrist to middle knuckle, and (2,) px how far from the middle the hand is painted."""
    size = np.ptp(joints[:, :2], axis=0) + MARGIN
    unit_px = side * rng.uniform(*hand_fraction) / float(size.max())
    free_px = np.maximum(side - size * unit_px, 0) / 2
    return unit_px, rng.uniform(-1, 1, 2) * free_px


def finished(
    rng: np.random.Generator, canvas: Image, points: npt.NDArray[np.float64], letter: str | None
) -> Drawn:
    """The painted canvas and (21, 2) px in it -> the photograph, as small as was asked for."""
    size_px = canvas.shape[0] // OVERSAMPLING
    image = np.asarray(cv2.resize(canvas, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)
    return Drawn(_photographed(rng, image), (points / OVERSAMPLING).astype(np.float32), letter)


def draw_background(rng: np.random.Generator, size_px: int) -> Image:
    """(S, S, 3): a picture without a hand."""
    return _photographed(rng, make_background(rng, size_px))


def person_pose(rng: np.random.Generator, letter: str | None) -> Pose:
    """(25,): the letter as one person forms it, at times as the signer sees it; None: no letter."""
    if letter is None:
        pose = no_letter(rng)
    else:
        seen_by_signer = letter in SIGNERS_VIEW and rng.random() < 0.5
        pose = (SIGNERS_VIEW if seen_by_signer else POSES)[letter].copy()
    return vary(rng, pose)


def no_letter(rng: np.random.Generator) -> Pose:
    """(25,): a hand that signs none."""
    a, b = rng.choice(len(OTHERS), 2, replace=False)
    return blend(OTHERS[a], OTHERS[b], float(rng.uniform(0, 0.35)))


def vary(rng: np.random.Generator, pose: Pose) -> Pose:
    """(25,): the pose, as one person's fingers form it."""
    pose = pose.copy()
    pose[:16] += rng.normal(0, np.tile([2.5, 5, 6, 6], 4))
    pose[1:16:4] += rng.normal(0, 4)  # how tightly this person folds the fingers
    pose[16:22] += rng.normal(0, 4, 6)
    return pose


def _photographed(rng: np.random.Generator, image: Image) -> Image:
    """Uneven light, a colour cast, soft focus and the sensor's noise."""
    size_px = image.shape[0]
    field = rng.uniform(0.7, 1.2, (2, 2, 1)) * rng.normal(1, 0.06, 3) * rng.uniform(0.75, 1.1)
    light = cv2.resize(field.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.3)), np.uint8)
    noise = rng.normal(0, rng.uniform(0, 9), image.shape[:2])
    return (image * light + noise[:, :, None]).clip(0, 255).astype(np.uint8)
