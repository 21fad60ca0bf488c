"""The interface of a live camera's driver: a generator of pictures, and what is needed to supervise it.

To add a live camera, write `edge/cameras/NAME.py` with a function that returns a `LiveSource`, and name it in
`_live_source` (`edge/cameras/__init__.py`). `reconnecting.py` does the rest: the newest frame, the camera's
state, opening it again.

To add a recording or a drawn camera, implement `Camera` (`edge/cameras/__init__.py`) instead, with
`replay.py` as the model, and name it in `open_camera`.
"""

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

from edge.records import Image

# A driver is a generator function. It opens its camera at the first next(), yields pairs of a picture and its
# capture time in seconds on the monotonic clock, and releases the camera when it is closed. The event says
# that the capture was abandoned; the driver checks it wherever it waits. Raises CameraError on a failure.
Pictures = Generator[tuple[Image, float], None, None]
Driver = Callable[[threading.Event], Pictures]


@dataclass(frozen=True)
class LiveSource:
    """A live camera that is not open yet, and its properties for supervision."""

    name: str  # as on the command line: usb:0, pi:0
    driver: Driver
    size_px: tuple[int, int] | None  # width and height of the pictures to expect, after rotation; None: any
    is_plugged_in: Callable[[], bool] = lambda: True  # it is opened only while this returns True
    close_s: float = 0.5  # longest time the driver needs to release the camera
