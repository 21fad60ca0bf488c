"""One labelled picture -> one training crop, changed in the ways that hands, rooms and cameras differ.

Everything is drawn from the generator that is passed in, so that a crop depends on its seed alone.
`strength` runs from 0 (the first epoch) to 1 and widens every range: a network that starts from nothing
learns the letters on easy crops first.
"""

import cv2
import numpy as np

from edge.geometry import MARGIN, Square, box_around
from edge.preprocess import BORDER_RGB, whole_square
from edge.records import Array, Image

# Rotation stays within this. Letters are told apart by direction: a quarter turn makes U of H (and back),
# Q of G, P of K; 45 degrees takes D towards G, L towards Q, and I towards J.
MAX_ROTATION_DEG = 25.0
MAX_SHIFT = 0.12  # of the crop's side
# The hand's longer side over the crop's side: a reading square has 1 / MARGIN; a square that was not well
# placed may show it as small as a third.
NEAR, FAR = 0.85, 0.3
FAR_SHARE = 0.1  # of the crops at full strength are such badly placed ones
# How far places of a crop are pushed apart, over its side (standard deviation at full strength): fingers
# come out longer, thicker or more bent than this person's, as another's might.
BEND = 0.018
BEND_CELLS = 5  # the push changes smoothly over the crop, from cell to cell of so many a side

Rng = np.random.Generator


def crop_hand(
    rng: Rng, image: Image, points: Array | None, size_px: int, strength: float, background: Image
) -> tuple[Image, Array | None]:
    """(H, W, 3) and (21, 2) px or None -> (S, S, 3) and points as fractions of the crop's side.

    Half the crops are mirrored: either hand may sign. Without points the whole picture counts as the hand.
    """
    size = float(size_px)
    if points is not None:
        x0, y0, x1, y1 = box_around(points)
        centre, extent = ((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0, 8.0)
        share = _hand_share(rng, strength)
    else:
        cx, cy, extent = whole_square(image)
        centre, share = (cx, cy), float(rng.uniform(1.0 - 0.4 * strength, 1.0 + 0.2 * strength))
    scale = share * size / extent
    if scale < 0.6:  # shrink by averaging first: the warp alone would alias
        height, width = image.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        ratio = np.array([small[0] / width, small[1] / height], np.float32)
        centre = (centre[0] * float(ratio[0]), centre[1] * float(ratio[1]))
        points = None if points is None else points * ratio
        scale = 1.0
    matrix = _warp(rng, centre, scale, size, share, strength)
    crop, points = _paste(rng, image, points, matrix, size_px, background, strength)
    return crop, None if points is None else points / np.float32(size)


def _hand_share(rng: Rng, strength: float) -> float:
    if rng.random() < FAR_SHARE * strength:
        return float(np.exp(rng.uniform(np.log(FAR), np.log(1 / MARGIN))))
    widen = 0.1 + 0.2 * strength
    return float(np.clip(np.exp(rng.normal(np.log(1 / MARGIN), widen)), 0.4, NEAR))


def _warp(
    rng: Rng, centre: tuple[float, float], scale: float, size: float, share: float, strength: float
) -> Array:
    """(2, 3) affine matrix, picture -> crop: rotate, stretch a little, scale, shift, perhaps mirror."""
    angle = np.deg2rad(rng.uniform(-1, 1) * MAX_ROTATION_DEG * (0.4 + 0.6 * strength))
    stretch = np.exp(rng.uniform(-1, 1, 2) * 0.12 * strength)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    # a small hand may stand anywhere in the first look, a near one about the middle
    reach = max(MAX_SHIFT, (1 - share) / 2) * (0.5 + 0.5 * strength)
    shift = rng.uniform(-1, 1, 2) * reach * size
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) * stretch[:, None] @ np.diag([mirror, 1.0])
    offset = size / 2 + shift - linear @ np.array(centre)
    return np.column_stack([linear, offset]).astype(np.float32)


def _paste(
    rng: Rng,
    image: Image,
    points: Array | None,
    matrix: Array,
    size_px: int,
    background: Image,
    strength: float,
) -> tuple[Image, Array | None]:
    """Warp the picture; what lies outside it, and sometimes all but the hand, is the background."""
    target = (size_px, size_px)
    border = rng.random()
    if border < 0.4:  # as the device cuts it
        crop = cv2.warpAffine(image, matrix, target, borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER_RGB)
    elif border < 0.6:
        crop = cv2.warpAffine(image, matrix, target, borderMode=cv2.BORDER_REPLICATE)
    else:
        crop = cv2.warpAffine(image, matrix, target, dst=background.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    if points is not None:
        points = (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        if rng.random() < 0.35 * strength:
            alpha = hand_mask(points, size_px)[..., None]
            mixed = crop.astype(np.float32) * alpha + background.astype(np.float32) * (1 - alpha)
            crop = mixed.astype(np.uint8)
    return np.asarray(crop, np.uint8), points


def bend(rng: Rng, crop: Image, points: Array | None, strength: float) -> tuple[Image, Array | None]:
    """(S, S, 3) and (21, 2) fractions or None -> the same, pushed smoothly out of shape."""
    size = crop.shape[0]
    coarse = rng.normal(0, BEND * strength * size, (BEND_CELLS, BEND_CELLS, 2)).astype(np.float32)
    push = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    across, down = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    bent = cv2.remap(
        crop, across + push[..., 0], down + push[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if points is not None:  # so small and smooth a push is undone by its negative
        at = np.clip(np.round(points * size), 0, size - 1).astype(int)
        points = points - push[at[:, 1], at[:, 0]] / np.float32(size)
    return np.asarray(bent, np.uint8), points


def hand_mask(points: Array, size_px: int) -> Array:
    """(21, 2) px -> (S, S) 0..1: the hand and some forearm, generous and soft at the edge."""
    mask = np.zeros((size_px, size_px), np.uint8)
    at = np.round(points).astype(np.int32)
    palm = float(np.linalg.norm(points[9] - points[0])) + 1.0
    knuckles = float(np.linalg.norm(points[5] - points[17])) + 1.0
    thick = max(2, round(0.45 * max(palm, knuckles)))
    cv2.fillConvexPoly(mask, cv2.convexHull(at[[0, 1, 5, 9, 13, 17]]), 255)
    for first in (1, 5, 9, 13, 17):
        chain = np.concatenate([at[:1], at[first : first + 4]])
        cv2.polylines(mask, [chain], False, 255, thick, cv2.LINE_AA)
    away = points[0] - points[[5, 9, 13, 17]].mean(axis=0)
    elbow = np.round(points[0] + 3 * away).astype(np.int32)
    cv2.line(mask, at[0].tolist(), elbow.tolist(), 255, round(1.6 * thick), cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.06 * palm))
    return np.asarray(soft, np.float32) / np.float32(255)


def letterbox(rng: Rng, crop: Image) -> Image:
    """Half the crops get the bands that the first look at a wide or tall picture has: without them the
    network would learn that bands mean a hand."""
    if rng.random() < 0.5:
        return crop
    crop = crop.copy()
    band = round(float(rng.uniform(0.05, 0.3)) * crop.shape[0])
    view = crop if rng.random() < 0.7 else crop.swapaxes(0, 1)
    view[:band] = BORDER_RGB
    view[-band:] = BORDER_RGB
    return crop


def change_light(rng: Rng, crop: Image, strength: float) -> Image:
    """(S, S, 3) uint8 -> the same under another light and camera: exposure, gamma, cast, other colours and
    texture, grey, blur, noise, coding, occlusion."""
    if rng.random() < 0.8:
        crop = _tone(rng, crop, strength)
    if rng.random() < 0.5 * strength:
        crop = _other_colours(rng, crop)
    if rng.random() < 0.2 * strength:
        crop = _other_texture(rng, crop)
    if rng.random() < 0.08 + 0.07 * strength:
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        crop = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    if rng.random() < 0.25 * strength:
        crop = _blur(rng, crop)
    if rng.random() < 0.3 * strength:
        noise = rng.standard_normal(crop.shape, np.float32) * np.float32(rng.uniform(2, 14))
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.15 * strength:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        crop = np.asarray(cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    if rng.random() < 0.25 * strength:
        crop = _occlude(rng, crop)
    return crop


def _tone(rng: Rng, crop: Image, strength: float) -> Image:
    """Gamma, contrast and exposure for all, and a cast for each channel, as one table a channel."""
    wide = 0.4 + 0.6 * strength
    gamma = np.exp(rng.normal(0, 0.35 * wide))
    contrast = np.exp(rng.normal(0, 0.2 * wide))
    gain = np.exp(rng.normal(-0.05, 0.2 * wide)) * np.exp(rng.normal(0, 0.08 * wide, 3))
    level = np.linspace(0, 1, 256)[:, None]
    table = ((level**gamma - 0.5) * contrast + 0.5) * gain
    table = (np.clip(table, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), np.uint8)


def _other_colours(rng: Rng, crop: Image) -> Image:
    """Each channel a mixture of all three: other skin, other walls, another white balance."""
    mix = np.eye(3) + rng.normal(0, 0.18, (3, 3))
    mix /= np.abs(mix.sum(axis=1, keepdims=True)).clip(0.5)
    return np.asarray(cv2.transform(crop, mix.astype(np.float32)).clip(0, 255), np.uint8)


def _other_texture(rng: Rng, crop: Image) -> Image:
    """Half of it seen through a random filter: shapes stay, surfaces don't (Xu et al. 2021, "RandConv")."""
    kernel = rng.normal(0, 1, (3, 3)).astype(np.float32)
    kernel /= max(float(np.abs(kernel).sum()) / 2, 0.1)
    seen = cv2.filter2D(crop, cv2.CV_32F, kernel)
    seen = seen + np.float32(crop.mean() - seen.mean())
    return np.asarray((0.5 * crop + 0.5 * seen).clip(0, 255), np.uint8)


def _blur(rng: Rng, crop: Image) -> Image:
    """Out of focus, or smeared by motion along one direction."""
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.4, 1.8))), np.uint8)
    length = int(rng.integers(2, 4)) * 2 + 1
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), length // 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [(round(float(middle - s * reach[0])), round(float(middle - s * reach[1]))) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()), np.uint8)


def _occlude(rng: Rng, crop: Image) -> Image:
    """A plain or noisy patch of up to a third of the side, as a sleeve or a finger of somebody else."""
    size = crop.shape[0]
    width, height = (int(v) for v in rng.integers(size // 10, size // 3 + 1, 2))
    x, y = int(rng.integers(0, size - width)), int(rng.integers(0, size - height))
    crop = crop.copy()
    crop[y : y + height, x : x + width] = rng.integers(0, 256, 3, dtype=np.uint8)
    return crop


def background_square(rng: Rng, image: Image, points: Array | None) -> Square | None:
    """A random square of a picture that holds next to nothing of its hand, or None where there is none."""
    height, width = image.shape[:2]
    for _ in range(4):
        side = float(rng.uniform(0.3, 0.9)) * min(height, width)
        cx, cy = rng.uniform(side / 2, width - side / 2), rng.uniform(side / 2, height - side / 2)
        if points is None:
            return float(cx), float(cy), side
        away = np.abs(points - np.array([cx, cy])).max(axis=1)
        if away.min() > 0.55 * side:
            return float(cx), float(cy), side
    return None
