"""Relight a crop: exposure, colour cast, texture, grey, blur, noise, compression, occlusion.

Everything is drawn from the generator that is passed in, so that a crop depends on its seed only.
`strength`, 0 to 1, widens every range.
"""

import cv2
import numpy as np

from edge.records import Image

Rng = np.random.Generator


def relight(rng: Rng, crop: Image, strength: float) -> Image:
    """Return (S, S, 3) uint8 as another camera shows it under another light."""
    if rng.random() < 0.8:
        crop = _change_tone(rng, crop, strength)
    if rng.random() < 0.5 * strength:
        crop = _mix_channels(rng, crop)
    if rng.random() < 0.2 * strength:
        crop = _change_texture(rng, crop)
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


def _change_tone(rng: Rng, crop: Image, strength: float) -> Image:
    """Change gamma, contrast and exposure, and give each channel a cast: one lookup table per channel."""
    width = 0.4 + 0.6 * strength
    gamma = np.exp(rng.normal(0, 0.35 * width))
    contrast = np.exp(rng.normal(0, 0.2 * width))
    gain = np.exp(rng.normal(-0.05, 0.2 * width)) * np.exp(rng.normal(0, 0.08 * width, 3))
    level = np.linspace(0, 1, 256)[:, None]
    table = ((level**gamma - 0.5) * contrast + 0.5) * gain
    table = (np.clip(table, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(crop, table.reshape(1, 256, 3)), np.uint8)


def _mix_channels(rng: Rng, crop: Image) -> Image:
    """Make each channel a mixture of all three: other skin, other walls, another white balance."""
    mix = np.eye(3) + rng.normal(0, 0.18, (3, 3))
    mix /= np.abs(mix.sum(axis=1, keepdims=True)).clip(0.5)
    return np.asarray(cv2.transform(crop, mix.astype(np.float32)).clip(0, 255), np.uint8)


def _change_texture(rng: Rng, crop: Image) -> Image:
    """Blend the crop with a randomly filtered copy (Xu et al. 2021, "RandConv"): shapes stay."""
    kernel = rng.normal(0, 1, (3, 3)).astype(np.float32)
    kernel /= max(float(np.abs(kernel).sum()) / 2, 0.1)
    filtered = cv2.filter2D(crop, cv2.CV_32F, kernel)
    filtered = filtered + np.float32(crop.mean() - filtered.mean())
    return np.asarray((0.5 * crop + 0.5 * filtered).clip(0, 255), np.uint8)


def _blur(rng: Rng, crop: Image) -> Image:
    """Blur out of focus, or by motion along one direction."""
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
    """Cover up to a third of either side with a plain patch, like a sleeve or somebody else's finger."""
    size = crop.shape[0]
    width, height = (int(v) for v in rng.integers(size // 10, size // 3 + 1, 2))
    x, y = int(rng.integers(0, size - width)), int(rng.integers(0, size - height))
    crop = crop.copy()
    crop[y : y + height, x : x + width] = rng.integers(0, 256, 3, dtype=np.uint8)
    return crop
