"""Small videos for the replay camera."""

from pathlib import Path

import cv2
import numpy as np

N_FRAMES, FPS = 20, 10.0


def write_video(path: Path, codec: str = "MJPG") -> Path:
    """Write N_FRAMES frames of red grain, 160x120 px, each brighter than the last; about 5 kB per frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), FPS, (160, 120))
    assert writer.isOpened()
    grain = np.random.default_rng(0).integers(-40, 40, (120, 160))
    for i in range(N_FRAMES):
        bgr = np.zeros((120, 160, 3), np.uint8)
        bgr[..., 2] = 45 + 8 * i + grain
        writer.write(bgr)
    writer.release()
    return path
