"""How a camera is mounted: turned, mirrored. One rule for every camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.records import Image


@dataclass(frozen=True)
class Orientation:
    """Turned clockwise by `rotation_deg` (0, 90, 180, 270), then left and right changed where `flip`.

    All eight come from two flips, which camera hardware can do, and then at most one quarter turn, which it
    seldom can.
    """

    flip: bool = False
    rotation_deg: int = 0

    @property
    def quarter(self) -> bool:
        return self.rotation_deg % 180 == 90

    @property
    def hflip(self) -> bool:
        """Whether left and right change before the quarter turn."""
        return (self.rotation_deg >= 180) != (self.flip and not self.quarter)

    @property
    def vflip(self) -> bool:
        """Whether top and bottom change before the quarter turn."""
        return (self.rotation_deg >= 180) != (self.flip and self.quarter)

    def size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the camera -> of the turned picture."""
        return size_px[::-1] if self.quarter else size_px


AS_MOUNTED = Orientation()


def oriented(image: Image, orientation: Orientation, flips_done: bool = False) -> Image:
    """(H, W, 3), or (W, H, 3) after a quarter turn. `flips_done`: the camera flipped it already."""
    if not flips_done and (orientation.hflip or orientation.vflip):
        image = np.asarray(
            cv2.flip(image, -1 if orientation.hflip and orientation.vflip else int(orientation.hflip)),
            np.uint8,
        )
    if orientation.quarter:
        image = np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    return image
