"""A stand-in for the network that sees a hand in every bright spot, and pictures of such spots.

It knows nothing but the crop, so that whatever is found has gone through the real crops.
"""

import numpy as np

from edge.package import ModelSpec
from edge.records import LETTERS, Array, Image, Output

SIZE_PX = 32
SPEC = ModelSpec(SIZE_PX)
READS_UPRIGHT = ModelSpec(SIZE_PX, reads_upright=True)
SURE = 8.0  # logit of the letter that it sees


class BrightSpot:
    """An engine whose landmarks lie on the corners of the bright pixels' box."""

    def __init__(self, letter: str = "C") -> None:
        self.letter = letter
        self.crops: list[Array] = []  # (S, S) of bool, what was bright in each crop so far
        self.upright: list[bool] = []  # whether each was an upright view

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        bright = tensor[0].mean(axis=0) > 1.0
        self.crops.append(bright)
        self.upright.append(upright)
        letters = np.zeros((1, 26), np.float32)
        landmarks = np.full((1, 21, 2), 0.5, np.float32)
        if not bright.any():
            return Output(letters, np.array([-6.0], np.float32), landmarks)
        ys, xs = np.nonzero(bright)
        left, top, right, bottom = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
        landmarks[0] = np.resize(np.array(corners, np.float32) / SIZE_PX, (21, 2))
        letters[0, LETTERS.index(self.letter)] = SURE
        return Output(letters, np.array([6.0], np.float32), landmarks)


def unsure_of_what_fills_the_crop(tensor: Array, upright: bool = False) -> Output:
    """A bright spot that is the less certain, the more of the crop it fills: a finger seen closely."""
    output = BrightSpot()(tensor)
    filled = float((tensor[0].mean(axis=0) > 1.0).mean())
    return Output(output.letters * (1 - filled), output.presence, output.landmarks)


def scene(box: tuple[int, int, int, int], width: int = 640, height: int = 480) -> Image:
    """A black picture with one white box."""
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    return image


def dark() -> Image:
    """A picture without a bright spot."""
    return np.zeros((480, 640, 3), np.uint8)
