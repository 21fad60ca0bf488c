"""The supervision of live cameras: deliver the newest frame, and reopen a camera that failed."""

import logging
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from edge.cameras.capture_thread import CaptureThread
from edge.cameras.driver import LiveSource
from edge.cameras.frame_faults import FrameFaults
from edge.errors import CameraBlind, CameraError
from edge.records import CAMERA_PROBLEMS, CameraState, CameraStatus, Frame, Image

log = logging.getLogger(__name__)

TICK_S = 0.2  # longest wait for a picture before the loop gets control back


@dataclass(frozen=True)
class Timeouts:
    """Timeouts, in seconds."""

    open_s: float = 20.0  # until the first picture; Picamera2 and Argus take seconds, more on a busy board
    silent_s: float = 2.0  # without a picture until the camera is reopened, as in Edge Impulse's runner
    pause_s: float = 1.0  # before the camera is reopened; doubled after each failure
    longest_pause_s: float = 30.0
    release_s: float = 5.0  # after the pause, for an abandoned thread to release the camera
    steady_s: float = 10.0  # of pictures without a failure until the next pause is `pause_s` again
    blind_s: float = 300.0  # without a picture until the program gives up
    fault_s: float = 5.0  # of identical or black pictures until the status is frozen or black


class ReconnectingCamera:
    """Yield the newest frame of a live camera, or None every TICK_S while there is none.

    Raises CameraError if the camera delivers no first picture. A camera that fails later is reopened after
    growing pauses, or at once when it is plugged in. Raises CameraBlind after `blind_s` without a picture.
    """

    def __init__(
        self,
        source: LiveSource,
        stop: threading.Event | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.dropped = 0  # frames that the camera offered and the loop didn't read
        self._source, self._size_px = source, source.size_px
        self._stop, self._closed = stop or threading.Event(), False
        self._timeouts = timeouts or Timeouts()
        self._capture: CaptureThread | None = None  # None: paused until _next_try_t
        self._abandoned: CaptureThread | None = None  # the previous thread, which may still hold the camera
        self._next_try_t, self._pause_s = -math.inf, self._timeouts.pause_s
        self._was_plugged_in = True
        self._status: CameraStatus = "opening"
        self._faults = FrameFaults(self._timeouts.fault_s)
        self._reported: set[str] = set()  # errors logged since the last picture
        self._captured_t = time.monotonic()  # capture of the newest frame; at first, the start
        self._offered_before = self._delivered = self._reopened = 0

    def __enter__(self) -> "ReconnectingCamera":
        self._capture = CaptureThread(self._source.name, self._source.driver)
        return self

    def __exit__(self, *exc: object) -> None:
        self._closed = True
        if self._capture:
            self._capture.abandon(self._source.close_s)

    def state(self) -> CameraState:
        age_s = time.monotonic() - self._captured_t
        return CameraState(self._source.name, self._status, self._reopened, age_s, self.dropped)

    def __iter__(self) -> Iterator[Frame | None]:
        while not (self._stop.is_set() or self._closed):
            taken = self._capture.take(TICK_S) if self._capture else None
            if taken:
                yield self._deliver(*taken)
            else:
                self._check_silence()
                yield None

    def _deliver(self, image: Image, t: float, number: int) -> Frame:
        """Return the Frame of a picture; count it, and update the camera's status."""
        index = self._offered_before + number
        self._delivered += 1
        self.dropped = index + 1 - self._delivered
        if self._status == "blind":
            self._reopened += 1
            log.warning(
                "%s delivers pictures again after %.1f s (reopened %d times)",
                self._source.name,
                t - self._captured_t,
                self._reopened,
            )
            self._reported.clear()
            self._status = "live"
        self._captured_t = t
        self._inspect(image, t)
        return Frame(image, t, index)

    def _inspect(self, image: Image, t: float) -> None:
        """Update the status, and log a change of the status or of the picture's size."""
        size_px = (image.shape[1], image.shape[0])
        if size_px != self._size_px:
            if self._size_px is not None:
                expected = "{}x{}".format(*self._size_px)
                log.warning(
                    "%s delivers pictures of %dx%d px instead of %s", self._source.name, *size_px, expected
                )
            self._size_px = size_px
        status = self._faults.update(image, t)
        if status != self._status and self._status != "opening":
            problem = CAMERA_PROBLEMS.get(status, "delivers good pictures again")
            log.warning("%s %s", self._source.name, problem)
        self._status = status

    def _check_silence(self) -> None:
        """Abandon a capture that failed or fell silent. Raises CameraBlind after `blind_s`."""
        if self._capture is None:
            self._pause()
        elif error := self._failure(self._capture):
            if not self._delivered:
                self._capture.abandon(self._source.close_s)
                raise error
            self._abandon(self._capture, error)
        if self._delivered and time.monotonic() - self._captured_t > self._timeouts.blind_s:
            raise CameraBlind(
                f"{self._source.name} has delivered no picture for {self._timeouts.blind_s:g} s, although it "
                "was opened again and again: check its cable and plug, then restart asl-edge"
            )

    def _failure(self, capture: CaptureThread) -> CameraError | None:
        """Return the error of a capture that failed or was silent for too long; None if it may go on."""
        limit_s = self._timeouts.silent_s
        if capture.first_s is None:
            # Wait for as long as the pause with the camera open: a stalled camera may recover at any moment.
            limit_s = max(self._timeouts.open_s, self._pause_s)
        if capture.error is None and time.monotonic() - capture.newest_s > limit_s:
            return CameraError(
                f"{self._source.name} has delivered no picture for {limit_s:g} s: check its cable and plug"
            )
        return capture.error

    def _abandon(self, capture: CaptureThread, error: CameraError) -> None:
        """Abandon the capture and schedule the next attempt. Log each error once."""
        capture.abandon()
        self._capture = None
        self._offered_before += capture.offered
        if capture.first_s is not None and capture.newest_s - capture.first_s > self._timeouts.steady_s:
            self._pause_s = self._timeouts.pause_s
        has_waited = capture.error is None and capture.first_s is None  # with the camera open: see _failure
        self._next_try_t = time.monotonic() + (self._timeouts.pause_s if has_waited else self._pause_s)
        self._abandoned = capture
        self._pause_s = min(2 * self._pause_s, self._timeouts.longest_pause_s)
        self._was_plugged_in = True
        if str(error) not in self._reported:
            log.warning("%s; opening it again", error)
            self._reported.add(str(error))
        self._status = "blind"

    def _pause(self) -> None:
        """Wait for one tick, then reopen the camera if the pause is over or if it was just plugged in."""
        self._stop.wait(TICK_S)
        now, plugged_in = time.monotonic(), self._source.is_plugged_in()
        if plugged_in and not self._was_plugged_in:
            self._next_try_t, self._pause_s = now, self._timeouts.pause_s
        self._was_plugged_in = plugged_in
        still_held = (
            self._abandoned is not None
            and self._abandoned.holds_camera
            and now < self._next_try_t + self._timeouts.release_s
        )
        if plugged_in and now >= self._next_try_t and not still_held:
            self._faults = FrameFaults(self._timeouts.fault_s)
            self._capture = CaptureThread(self._source.name, self._source.driver)
