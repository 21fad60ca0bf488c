"""Supervision, the same for every live camera: what is given, what is said, and when it is opened again."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from edge.cameras.capture_thread import CaptureThread, Driver
from edge.cameras.frame_faults import FrameFaults
from edge.errors import CameraBlind, CameraError
from edge.records import CameraState, Frame, Image

log = logging.getLogger(__name__)

TICK_S = 0.2  # how often a loop without a picture gets its turn
SAYS = {
    "live": "gives good pictures again",
    "frozen": "gives the same picture again and again: plug it in again, or start asl-edge again",
    "black": "gives black pictures: is its lens covered, or the light off?",
}


@dataclass(frozen=True)
class Timeouts:
    """How long what is waited for."""

    open_s: float = 20.0  # to the first picture; Picamera2 and Argus need seconds, on a small busy board more
    silent_s: float = 2.0  # without a picture until it is opened again; Edge Impulse's runner waits as long
    pause_s: float = 1.0  # before it is opened again, doubled each time
    longest_pause_s: float = 30.0
    release_s: float = 5.0  # for a thread that was left to release the camera, before it is opened beside it
    steady_s: float = 10.0  # of pictures after which the pauses begin small again
    blind_s: float = 300.0  # without a picture until the whole program starts afresh
    odd_s: float = 5.0  # frozen or black until it is said
    close_s: float = 0.5  # for the driver to release the camera at the end


class ReconnectingCamera:
    """The newest frame of a live camera, or None every TICK_S while there is none; `dropped` were unread.

    A camera that can't be opened at first is a CameraError. One that worked and falls silent is opened again
    and again; without a picture for `blind_s` it is CameraBlind. Where `present` says that it is unplugged it
    is opened as soon as it is back.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        size_px: tuple[int, int],
        stop: threading.Event | None = None,
        patience: Timeouts | None = None,
        present: Callable[[], bool] = lambda: True,
    ) -> None:
        self.dropped = 0
        self._name, self._driver, self._present, self._size_px = name, driver, present, size_px
        self._stop, self._closed = stop or threading.Event(), False
        self._patience = patience or Timeouts()
        self._opening: CaptureThread | None = None  # None: it pauses until _next_try_s
        self._left: CaptureThread | None = None  # the one before, whose thread may still hold the camera
        self._next_try_s, self._pause_s, self._was_present = -math.inf, self._patience.pause_s, True
        self._status: Literal["opening", "live", "blind", "frozen", "black"] = "opening"
        self._check = FrameFaults(self._patience.odd_s)
        self._said: set[str] = set()  # why it could not be opened: each once, until it sees again
        self._captured_s = time.monotonic()  # the newest picture; before the first, the start
        self._offered_before = self._given = self._reopened = 0

    def __enter__(self) -> "ReconnectingCamera":
        self._opening = CaptureThread(self._name, self._driver)
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        if self._opening:
            self._opening.leave(self._patience.close_s)

    def state(self) -> CameraState:
        age_s = time.monotonic() - self._captured_s
        return CameraState(self._name, self._status, self._reopened, age_s, self.dropped)

    def __iter__(self) -> Iterator[Frame | None]:
        while not (self._stop.is_set() or self._closed):
            taken = self._opening.take(TICK_S) if self._opening else None
            if taken:
                yield self._frame(*taken)
            else:
                self._no_frame()
                yield None

    def _frame(self, image: Image, t: float, number: int) -> Frame:
        index = self._offered_before + number
        self._given += 1
        self.dropped = index + 1 - self._given
        if self._status == "blind":
            self._reopened += 1
            silent_s = t - self._captured_s
            log.warning("%s sees again after %.1f s (reopening %d)", self._name, silent_s, self._reopened)
            self._said.clear()
            self._status = "live"
        self._captured_s = t
        self._examine(image, t)
        return Frame(image, t, index)

    def _examine(self, image: Image, t: float) -> None:
        size_px = (image.shape[1], image.shape[0])
        if size_px != self._size_px:
            wanted = "{}x{}".format(*self._size_px)
            log.warning("%s gives pictures of %dx%d px, not of %s", self._name, *size_px, wanted)
            self._size_px = size_px
        what = self._check.update(image, t)
        if what != self._status and self._status != "opening":
            log.warning("%s %s", self._name, SAYS[what])
        self._status = what

    def _no_frame(self) -> None:
        """Gives up an opening that failed or fell silent, and the camera where all did for minutes."""
        if self._opening is None:
            self._pause()
        elif error := self._failed(self._opening):
            if not self._given:
                self._opening.leave(self._patience.close_s)
                raise error
            self._give_up(self._opening, error)
        if self._given and time.monotonic() - self._captured_s > self._patience.blind_s:
            raise CameraBlind(
                f"{self._name} gave no picture for {self._patience.blind_s:g} s, however often it was opened "
                "again: check its cable and plug, then start asl-edge again"
            )

    def _failed(self, opening: CaptureThread) -> CameraError | None:
        limit_s = self._patience.silent_s
        if opening.first_s is None:
            # who has a stalled camera open sees it wake at once: the growing pause is spent waiting there
            limit_s = max(self._patience.open_s, self._pause_s)
        if opening.error is None and time.monotonic() - opening.last_s > limit_s:
            return CameraError(f"{self._name} gave no picture for {limit_s:g} s: check its cable and plug")
        return opening.error

    def _give_up(self, opening: CaptureThread, error: CameraError) -> None:
        opening.leave()
        self._opening = None
        self._offered_before += opening.offered
        if opening.first_s is not None and opening.last_s - opening.first_s > self._patience.steady_s:
            self._pause_s = self._patience.pause_s
        waited = opening.error is None and opening.first_s is None
        self._next_try_s = time.monotonic() + (self._patience.pause_s if waited else self._pause_s)
        self._left = opening
        self._pause_s = min(2 * self._pause_s, self._patience.longest_pause_s)
        self._was_present = True
        if str(error) not in self._said:
            log.warning("%s; it is opened again", error)
            self._said.add(str(error))
        self._status = "blind"

    def _pause(self) -> None:
        """Opens the camera again when the pause is over, or at once when it was plugged in."""
        self._stop.wait(TICK_S)
        now, present = time.monotonic(), self._present()
        if present and not self._was_present:
            self._next_try_s, self._pause_s = now, self._patience.pause_s
        self._was_present = present
        held = (
            self._left is not None and self._left.reads and now < self._next_try_s + self._patience.release_s
        )
        if present and now >= self._next_try_s and not held:
            self._check = FrameFaults(self._patience.odd_s)
            self._opening = CaptureThread(self._name, self._driver)
