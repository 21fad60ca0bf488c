"""The program as a library: read a picture, or follow a camera. docs/python.md describes these names.

`from edge import Reader, follow, Prediction, Hand, LetterEvent, AslEdgeError`
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.build import build_camera, build_components, build_reader
from edge.errors import AslEdgeError, PictureError, SettingsError
from edge.pictures import MIN_SIDE_PX, read_picture
from edge.pipeline import iterate_steps
from edge.records import Hand, Image, LetterEvent, Prediction
from edge.settings import SETTINGS, Settings, apply

__all__ = ["AslEdgeError", "Hand", "LetterEvent", "Prediction", "Reader", "follow"]


class Reader:
    """Reads single pictures, as `asl-edge predict` does. Loading the model takes about a second.

    `settings` are those of docs/settings.md that concern the model, by their names in `edge.settings`: model,
    variant, threads, min_confidence. Raises AslEdgeError if the package can't be used.
    """

    def __init__(self, **settings: Any) -> None:
        self._reader = build_reader(_make_settings(settings))

    def read(self, picture: str | Path | Image) -> Prediction:
        """Return the letter and the hand of a picture file, or of an array (H, W, 3) uint8 RGB.

        `letter` is None if there is no hand or the network is unsure. Raises AslEdgeError if the picture
        can't be read.
        """
        image = read_picture(Path(picture)) if isinstance(picture, (str, Path)) else _check_array(picture)
        return self._reader.read(image)


def follow(camera: str, **settings: Any) -> Iterator[LetterEvent]:
    """Yield every letter that is signed before a camera, as `asl-edge run` sends them.

    `camera` is a name such as usb:0, pi, or replay:clip.mp4; the iterator ends with a recording, and closing
    it closes the camera. `settings` are those of docs/settings.md, by their names in `edge.settings`, such as
    hold_s=0.3. Output, page and MQTT are not opened. Raises AslEdgeError if camera or package can't be used.
    """
    stop = threading.Event()
    parts = build_components(replace(_make_settings(settings), camera=camera, output="none"), stop)
    with build_camera(parts.settings, stop, realtime=False) as opened:
        for step in iterate_steps(opened, parts.tracker, parts.letters, stop, parts.motion_gate):
            if step.event is not None:
                yield step.event


def _make_settings(values: dict[str, Any]) -> Settings:
    for name in values:
        if name not in SETTINGS:
            raise SettingsError(f"there is no setting {name!r}: docs/settings.md lists them")
    return apply(Settings(), [(name, name, value) for name, value in values.items()])


def _check_array(image: Image) -> Image:
    """Return the array if it is a picture. Raises PictureError, which says what it is instead."""
    if not (isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3):
        raise PictureError(
            f"a picture must be an array (H, W, 3), got {getattr(image, 'shape', type(image).__name__)}"
        )
    if image.dtype != np.uint8:
        raise PictureError(f"a picture must be uint8, 0 to 255, got {image.dtype}")
    if min(image.shape[:2]) < MIN_SIDE_PX:
        raise PictureError(
            f"a picture must have at least {MIN_SIDE_PX} px a side, got {image.shape[1]}x{image.shape[0]}"
        )
    return image
