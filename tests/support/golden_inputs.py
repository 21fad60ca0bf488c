"""Golden inputs, made by integer arithmetic so that they have the same bits on every machine."""

import numpy as np

from edge.engines.golden import golden_picture
from edge.preprocess import to_tensor
from edge.records import Array, Image
from edge.synthetic.poses import POSES, hand_joints

PATCHES, NOISES = 8, 2
# two joints in MediaPipe's order, and the thickness in 64ths of the distance from wrist to middle knuckle
BONES = [(0, 5, 12), (0, 9, 12), (0, 13, 12), (0, 17, 12), (5, 9, 12), (9, 13, 12), (13, 17, 12), (0, 1, 14),
         *((1 + 4 * f + k, 2 + 4 * f + k, 9 - k) for f in range(5) for k in range(3))]  # fmt: skip
LOUD = 4.0  # factor of the contrast


def golden_inputs(size_px: int) -> dict[str, Array]:
    """Return inputs (1, 3, S, S) float32 by name.

    `loud-*` provokes the saturation of AVX2's U8S8 products: in every layer activations reach the end of
    their 8 bits, so that two neighbours are 255 and weights of more than 7 bits exceed 16-bit sums.
    """
    pictures = {
        "golden": golden_picture(size_px),
        "black": _plain(size_px, 0),
        "grey": _plain(size_px, 128),
        "white": _plain(size_px, 255),
        **{f"checks-{period}": _checks(size_px, period) for period in (1, 2, 7, 16)},
        **{f"patches-{number}": _patches(size_px, number) for number in range(PATCHES)},
        **{f"hand-{letter}": hand_picture(size_px, letter) for letter in POSES},
        **{f"noise-{number}": _noise(size_px, number) for number in range(NOISES)},
    }
    tensors = {name: to_tensor(picture) for name, picture in pictures.items()}
    loud = {f"loud-{name}": LOUD * tensors[name] for name in ("golden", "white", "checks-7", "patches-0")}
    return tensors | loud


def _plain(size_px: int, value: int) -> Image:
    return np.full((size_px, size_px, 3), value, np.uint8)


def _checks(size_px: int, period: int) -> Image:
    y, x = np.mgrid[0:size_px, 0:size_px] // period
    return np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


def _patches(size_px: int, number: int) -> Image:
    """Draw 2 to 9 patches of colour per side, from the size of hands to that of fingers."""
    side = 2 + number % 8
    colours = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
    at = np.arange(size_px) * side // size_px
    return colours[at][:, at]


def _noise(size_px: int, number: int) -> Image:
    return np.random.default_rng(100 + number).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)


def hand_picture(size_px: int, letter: str) -> Image:
    """Draw a hand of capsules that are darker at their edges, nearer ones over farther ones."""
    joints = hand_joints(POSES[letter]) * (1, -1, 1)  # y points down
    low, high = joints[:, :2].min(axis=0), joints[:, :2].max(axis=0)
    unit = 0.62 * size_px / float((high - low).max())
    # 16ths of a pixel; integers from here on
    place = np.rint(16 * ((joints[:, :2] - (low + high) / 2) * unit + size_px / 2)).astype(np.int64)
    y, x = 16 * np.mgrid[0:size_px, 0:size_px].astype(np.int64)
    picture = np.stack([70 + y // size_px, 90 + x // size_px, 110 + 0 * x], axis=-1)
    for a, b, thick in sorted(BONES, key=lambda bone: float(joints[list(bone[:2]), 2].sum())):
        radius = max(16, round(16 * unit * thick / 64))
        (x0, y0), (x1, y1) = place[a].tolist(), place[b].tolist()
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) * 256 // max(dx * dx + dy * dy, 1), 0, 256)
        far = (x - x0 - along * dx // 256) ** 2 + (y - y0 - along * dy // 256) ** 2
        light = 255 - 110 * far // (radius * radius)
        skin = np.stack([light * 225 // 255, light * 172 // 255, light * 140 // 255], axis=-1)
        picture = np.where((far <= radius * radius)[..., None], skin, picture)
    return picture.astype(np.uint8)
