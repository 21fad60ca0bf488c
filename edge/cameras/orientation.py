"""How a camera is mounted: rotated, mirrored. The same rule for every camera."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.records import Image


@dataclass(frozen=True)
class Orientation:
    """A clockwise rotation by `rotation_deg` (0, 90, 180, 270), then a left-right flip if `mirror` is True.

    Each of the eight orientations is a pair of flips, which camera hardware can do, followed by at most one
    quarter turn, which it seldom can.
    """

    mirror: bool = False
    rotation_deg: int = 0

    @property
    def is_quarter(self) -> bool:
        """Whether width and height change places."""
        return self.rotation_deg % 180 == 90

    @property
    def hflip(self) -> bool:
        """Whether left and right are exchanged before the quarter turn."""
        return (self.rotation_deg >= 180) != (self.mirror and not self.is_quarter)

    @property
    def vflip(self) -> bool:
        """Whether top and bottom are exchanged before the quarter turn."""
        return (self.rotation_deg >= 180) != (self.mirror and self.is_quarter)

    def rotated_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Return (width, height) in px of a picture of this size after the rotation."""
        return size_px[::-1] if self.is_quarter else size_px


AS_MOUNTED = Orientation()


def orient(image: Image, orientation: Orientation, already_flipped: bool = False) -> Image:
    """Return (H, W, 3) as the orientation wants it; (W, H, 3) after a quarter turn.

    `already_flipped`: the camera did the two flips itself.
    """
    if not already_flipped and (orientation.hflip or orientation.vflip):
        both = orientation.hflip and orientation.vflip
        image = np.asarray(cv2.flip(image, -1 if both else int(orientation.hflip)), np.uint8)
    if orientation.is_quarter:
        image = np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    return image
