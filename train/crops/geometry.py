"""Crop a hand from a picture as hands and cameras differ: mirror, rotate, stretch, shift, bend, background.

Everything is drawn from the generator that is passed in, so that a crop depends on its seed only.
`strength`, 0 to 1, widens every range.
"""

import cv2
import numpy as np

from edge.geometry import MARGIN, Square, box_around
from edge.preprocess import BORDER_RGB, whole_square
from edge.records import Array, Image

# Direction distinguishes letters: a quarter turn makes U of H, Q of G and P of K; 45 degrees take D
# towards G, L towards Q and I towards J. Rotation stays well below that.
MAX_ROTATION_DEG = 25.0
MAX_SHIFT = 0.12  # of the crop's side
# The hand's longer side over the crop's side. The square that a device reads has 1 / MARGIN; in a badly
# placed square the hand may take as little as a third.
NEAREST, FARTHEST = 0.85, 0.3
FAR_FRACTION = 0.1  # of the crops at full strength are badly placed
# Standard deviation of the displacement at full strength, over the crop's side: fingers come out longer,
# thicker or more bent, as another person's might.
BEND = 0.018
BEND_CELLS = 5  # the displacement changes smoothly between this many cells per side

Rng = np.random.Generator


def crop_hand(
    rng: Rng, image: Image, landmarks: Array | None, size_px: int, strength: float, background: Image
) -> tuple[Image, Array | None]:
    """Crop (S, S, 3) around (21, 2) px; the landmarks come back as fractions of the crop's side.

    Half the crops are mirrored because either hand may sign. Without landmarks the whole picture counts
    as the hand.
    """
    size = float(size_px)
    if landmarks is not None:
        x0, y0, x1, y1 = box_around(landmarks)
        centre, extent = ((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0, 8.0)
        fraction = _draw_hand_fraction(rng, strength)
    else:
        cx, cy, extent = whole_square(image)
        centre, fraction = (cx, cy), float(rng.uniform(1.0 - 0.4 * strength, 1.0 + 0.2 * strength))
    scale = fraction * size / extent
    if scale < 0.6:  # the warp does not average, so it would alias when it shrinks
        height, width = image.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        ratio = np.array([small[0] / width, small[1] / height], np.float32)
        centre = (centre[0] * float(ratio[0]), centre[1] * float(ratio[1]))
        landmarks = None if landmarks is None else landmarks * ratio
        scale = 1.0
    matrix = _draw_warp(rng, centre, scale, size, fraction, strength)
    crop, landmarks = _warp(rng, image, landmarks, matrix, size_px, background, strength)
    return crop, None if landmarks is None else landmarks / np.float32(size)


def _draw_hand_fraction(rng: Rng, strength: float) -> float:
    if rng.random() < FAR_FRACTION * strength:
        return float(np.exp(rng.uniform(np.log(FARTHEST), np.log(1 / MARGIN))))
    deviation = 0.1 + 0.2 * strength
    return float(np.clip(np.exp(rng.normal(np.log(1 / MARGIN), deviation)), 0.4, NEAREST))


def _draw_warp(
    rng: Rng, centre: tuple[float, float], scale: float, size: float, fraction: float, strength: float
) -> Array:
    """Return a (2, 3) affine matrix, picture -> crop, that rotates, stretches, scales, shifts and mirrors."""
    angle_rad = np.deg2rad(rng.uniform(-1, 1) * MAX_ROTATION_DEG * (0.4 + 0.6 * strength))
    stretch = np.exp(rng.uniform(-1, 1, 2) * 0.12 * strength)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    # a small hand may be anywhere in the first view, a large one is near the middle
    reach = max(MAX_SHIFT, (1 - fraction) / 2) * (0.5 + 0.5 * strength)
    shift = rng.uniform(-1, 1, 2) * reach * size
    cos, sin = np.cos(angle_rad) * scale, np.sin(angle_rad) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) * stretch[:, None] @ np.diag([mirror, 1.0])
    offset = size / 2 + shift - linear @ np.array(centre)
    return np.column_stack([linear, offset]).astype(np.float32)


def _warp(
    rng: Rng,
    image: Image,
    landmarks: Array | None,
    matrix: Array,
    size_px: int,
    background: Image,
    strength: float,
) -> tuple[Image, Array | None]:
    """Warp the picture; the background fills what lies outside it, and at times all but the hand."""
    target = (size_px, size_px)
    border = rng.random()
    if border < 0.4:  # as the device cuts it
        crop = cv2.warpAffine(image, matrix, target, borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER_RGB)
    elif border < 0.6:
        crop = cv2.warpAffine(image, matrix, target, borderMode=cv2.BORDER_REPLICATE)
    else:
        crop = cv2.warpAffine(image, matrix, target, dst=background.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    if landmarks is not None:
        landmarks = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        if rng.random() < 0.35 * strength:
            alpha = mask_hand(landmarks, size_px)[..., None]
            mixed = crop.astype(np.float32) * alpha + background.astype(np.float32) * (1 - alpha)
            crop = mixed.astype(np.uint8)
    return np.asarray(crop, np.uint8), landmarks


def bend(rng: Rng, crop: Image, landmarks: Array | None, strength: float) -> tuple[Image, Array | None]:
    """Displace (S, S, 3) and its landmarks, (21, 2) fractions or None, smoothly."""
    size = crop.shape[0]
    coarse = rng.normal(0, BEND * strength * size, (BEND_CELLS, BEND_CELLS, 2)).astype(np.float32)
    push = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    across, down = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    bent = cv2.remap(
        crop, across + push[..., 0], down + push[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if landmarks is not None:  # the negative of so small and smooth a displacement is its inverse
        at = np.clip(np.round(landmarks * size), 0, size - 1).astype(int)
        landmarks = landmarks - push[at[:, 1], at[:, 0]] / np.float32(size)
    return np.asarray(bent, np.uint8), landmarks


def mask_hand(landmarks: Array, size_px: int) -> Array:
    """Return a mask (S, S) 0..1 of the hand and some forearm around (21, 2) px, soft at the edge."""
    mask = np.zeros((size_px, size_px), np.uint8)
    at = np.round(landmarks).astype(np.int32)
    palm = float(np.linalg.norm(landmarks[9] - landmarks[0])) + 1.0
    knuckles = float(np.linalg.norm(landmarks[5] - landmarks[17])) + 1.0
    thick = max(2, round(0.45 * max(palm, knuckles)))
    cv2.fillConvexPoly(mask, cv2.convexHull(at[[0, 1, 5, 9, 13, 17]]), 255)
    for first in (1, 5, 9, 13, 17):
        chain = np.concatenate([at[:1], at[first : first + 4]])
        cv2.polylines(mask, [chain], False, 255, thick, cv2.LINE_AA)
    away = landmarks[0] - landmarks[[5, 9, 13, 17]].mean(axis=0)
    elbow = np.round(landmarks[0] + 3 * away).astype(np.int32)
    cv2.line(mask, at[0].tolist(), elbow.tolist(), 255, round(1.6 * thick), cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.06 * palm))
    return np.asarray(soft, np.float32) / np.float32(255)


def letterbox(rng: Rng, crop: Image) -> Image:
    """Give half the crops the bands of a wide or tall picture's first view.

    Crops without a hand need them too, or the network would learn that bands mean a hand.
    """
    if rng.random() < 0.5:
        return crop
    crop = crop.copy()
    band = round(float(rng.uniform(0.05, 0.3)) * crop.shape[0])
    rows = crop if rng.random() < 0.7 else crop.swapaxes(0, 1)
    rows[:band] = BORDER_RGB
    rows[-band:] = BORDER_RGB
    return crop


def find_background(rng: Rng, image: Image, landmarks: Array | None) -> Square | None:
    """Return a random square that holds next to nothing of the picture's hand, or None if none is found."""
    height, width = image.shape[:2]
    for _ in range(4):
        side = float(rng.uniform(0.3, 0.9)) * min(height, width)
        cx, cy = rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2)
        if landmarks is None:
            return float(cx), float(cy), side
        away = np.abs(landmarks - np.array([cx, cy])).max(axis=1)
        if away.min() > 0.55 * side:
            return float(cx), float(cy), side
    return None
