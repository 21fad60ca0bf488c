"""Random backgrounds without hands for the synthetic signer: gradients, shapes, stripes and a face."""

import cv2
import numpy as np

from edge.records import Image


def make_background(rng: np.random.Generator, width_px: int, height_px: int | None = None) -> Image:
    """Return a random picture (H, W, 3); it is square if no height is given."""
    height = width_px if height_px is None else height_px
    corners = np.array(_rgb(rng)) + rng.normal(0, 25, (2, 2, 1)) + rng.normal(0, 8, (2, 2, 3))
    base = cv2.resize(corners.astype(np.float32), (width_px, height), interpolation=cv2.INTER_LINEAR)
    cells = int(rng.integers(3, 24))
    grain = rng.normal(0, rng.uniform(2, 30), (cells, cells, 1 if rng.random() < 0.8 else 3)) * np.ones(3)
    fine = cv2.resize(grain.astype(np.float32), (width_px, height), interpolation=cv2.INTER_LINEAR)
    image = cv2.add(base, fine).clip(0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 9))):
        _shape(rng, image)
    if rng.random() < 0.25:
        _stripes(rng, image)
    if rng.random() < 0.25:
        _face(rng, image)
    return image


def _rgb(rng: np.random.Generator) -> tuple[float, float, float]:
    """Return a random colour, mostly greyish as in real rooms."""
    r, g, b = (rng.uniform(0, 255) + rng.normal(0, rng.exponential(30), 3)).clip(0, 255)
    return float(r), float(g), float(b)


def _shape(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    x, y = int(rng.integers(width)), int(rng.integers(height))
    w, h = (int(v) for v in rng.uniform(0.05, 0.5, 2) * width)
    kind = rng.integers(4)
    if kind == 0:
        cv2.rectangle(image, (x - w // 2, y - h // 2), (x + w // 2, y + h // 2), _rgb(rng), -1)
    elif kind == 1:
        cv2.ellipse(image, (x, y), (w // 2, h // 2), float(rng.uniform(0, 180)), 0, 360, _rgb(rng), -1)
    elif kind == 2:
        x2, y2 = int(rng.integers(width)), int(rng.integers(height))
        cv2.line(image, (x, y), (x2, y2), _rgb(rng), int(rng.integers(1, max(2, width // 9))))
    else:
        corners = np.array([x, y]) + rng.uniform(-0.3, 0.3, (3, 2)) * width
        cv2.fillConvexPoly(image, corners.astype(np.int32), _rgb(rng))


def _stripes(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    colour, step = _rgb(rng), int(rng.integers(max(4, width // 24), max(5, width // 5)))
    slant = int(rng.uniform(-1, 1) * height)
    for x in range(-height, width + height, step):
        cv2.line(image, (x, 0), (x + slant, height), colour, max(1, step // 4))


def _face(rng: np.random.Generator, image: Image) -> None:
    height, width = image.shape[:2]
    x, y = int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.1, 0.7) * height)
    r = int(rng.uniform(0.1, 0.28) * width)
    skin = np.array([225, 172, 140]) * rng.uniform(0.3, 1.05)
    tone = (float(skin[0]), float(skin[1]), float(skin[2]))
    dark = (tone[0] * 0.35, tone[1] * 0.35, tone[2] * 0.35)
    cv2.ellipse(image, (x, y + 3 * r), (int(1.9 * r), int(1.8 * r)), 0, 0, 360, _rgb(rng), -1)
    cv2.ellipse(image, (x, y - r // 4), (int(r * 0.9), int(r * 1.15)), 0, 0, 360, dark, -1)
    cv2.ellipse(image, (x, y), (int(r * 0.78), r), 0, 0, 360, tone, -1)
    for dx in (-1, 1):
        cv2.circle(image, (x + dx * r // 3, y - r // 6), max(1, r // 10), dark, -1)
    cv2.line(image, (x - r // 4, y + r // 2), (x + r // 4, y + r // 2), dark, max(1, r // 12))
