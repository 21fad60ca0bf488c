"""The orientation of a live camera: rotated, mirrored, or both."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.records import Image


@dataclass(frozen=True)
class Orientation:
    """A clockwise rotation by `rotation_deg` (0, 90, 180, 270), then a left-right flip if `mirror` is True.

    Each of the eight orientations equals `hflip` and `vflip`, which most camera hardware can do, followed by
    a clockwise rotation by 90 degrees if `is_sideways`, which it seldom can do.
    """

    mirror: bool = False
    rotation_deg: int = 0

    @property
    def is_sideways(self) -> bool:
        """Whether the rotation swaps width and height."""
        return self.rotation_deg % 180 == 90

    @property
    def hflip(self) -> bool:
        """Whether left and right are swapped before the rotation by 90 degrees."""
        return (self.rotation_deg >= 180) != (self.mirror and not self.is_sideways)

    @property
    def vflip(self) -> bool:
        """Whether top and bottom are swapped before the rotation by 90 degrees."""
        return (self.rotation_deg >= 180) != (self.mirror and self.is_sideways)

    def rotated_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Return (width, height) in px of a picture of this size after the rotation."""
        return size_px[::-1] if self.is_sideways else size_px


AS_MOUNTED = Orientation()


def orient(image: Image, orientation: Orientation, already_flipped: bool = False) -> Image:
    """Return the picture (H, W, 3) in this orientation; it is (W, H, 3) if the orientation is sideways.

    `already_flipped`: the camera has done `hflip` and `vflip` itself.
    """
    if not already_flipped and (orientation.hflip or orientation.vflip):
        both = orientation.hflip and orientation.vflip
        image = np.asarray(cv2.flip(image, -1 if both else int(orientation.hflip)), np.uint8)
    if orientation.is_sideways:
        image = np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    return image
