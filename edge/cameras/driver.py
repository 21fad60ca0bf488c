"""The shape of a live camera's driver: a generator of pictures, and what is needed to supervise it.

To add a camera, write `edge/cameras/NAME.py` with a function that returns a `LiveSource`, and give it a
name in `open_camera` (`edge/cameras/__init__.py`). `reconnecting.py` does the rest: the newest frame, the
camera's state, opening it again.
"""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

from edge.records import Image

# A driver opens its camera at the first step, then yields (picture, capture time in seconds on the monotonic
# clock) until it is closed, and then releases the camera. Once the event is set, nobody waits for pictures
# any more; the driver checks it where it can. Raises CameraError if it can't go on.
Pictures = Generator[tuple[Image, float], None, None]
Driver = Callable[[threading.Event], Pictures]


@dataclass(frozen=True)
class LiveSource:
    """A live camera that is not open yet."""

    name: str  # as the user gives it: usb:0, pi:0
    driver: Driver
    size_px: tuple[int, int]  # width and height of the pictures to expect, after rotation
    is_plugged_in: Callable[[], bool] = lambda: True  # False: don't try to open it
    close_s: float = 0.5  # how long the driver may take to release the camera
