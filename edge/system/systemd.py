"""What systemd hears of the loop (sd_notify(3)) and what it asks (signals). Without systemd it says nothing.

The watchdog is fed from the loop's own turns and from nowhere else: a loop that hangs in the camera, the
network or a sink feeds it no more, and systemd starts the process afresh.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

from edge.records import CameraState, LoopStep

log = logging.getLogger(__name__)

STATUS_S = 2.0  # between two STATUS lines: often enough for whoever looks, and no load on systemd


def notify(*lines: str) -> bool:
    """Sends assignments like READY=1 to systemd; False where there is none or its queue is full."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract name space
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as service_manager:
            service_manager.setblocking(False)  # a busy systemd must not hold up the loop
            service_manager.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.debug("systemd can't be told %s: %s", lines[0], error)
        return False
    return True


class Service:
    """The process as systemd sees it; `observe` is an observer of the loop."""

    def __init__(self) -> None:
        self.stop = threading.Event()  # ends the loop
        self.ending = False  # for good: somebody asked for it
        self.reload_asked = False
        self._ready = False
        self._fed_t = 0.0
        self._told_t = time.monotonic()
        self._frames = 0  # since the last STATUS
        self._letter_t: float | None = None
        self._waits_for = ""
        self._feed_s = _watchdog_s() / 3

    def listen(self, reloads: bool) -> None:
        """SIGTERM and SIGINT end the loop; SIGHUP asks for a reload, or ends it, too, where there is none."""

        def end(*_: object) -> None:
            self.ending = True
            self.stop.set()

        def reload(*_: object) -> None:
            self.reload_asked = True

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGHUP, reload if reloads else end)

    @property
    def supervised(self) -> bool:
        """systemd started this, or something else that wants to be told."""
        return "NOTIFY_SOCKET" in os.environ

    def wait_for_camera(self, error: Exception, pause_s: float) -> None:
        """Before the first frame: says what is wrong, once in the log, and pauses."""
        if str(error) != self._waits_for:
            log.warning("%s; it is tried again", error)
            self._waits_for = str(error)
        notify(f"STATUS=waiting for the camera: {error}")
        self.stop.wait(pause_s)

    def observe(self, step: LoopStep) -> None:
        """Feed the watchdog, send READY after the first frame, and STATUS every STATUS_S."""
        now = time.monotonic()
        self._frames += step.frame is not None
        if step.event is not None:
            self._letter_t = now
        if now - self._fed_t >= self._feed_s and notify("WATCHDOG=1"):
            self._fed_t = now
        if step.frame is not None and not self._ready:
            self._ready = notify("READY=1")
        if now - self._told_t >= STATUS_S:
            notify(f"STATUS={self._status(now, step.camera)}")
            self._told_t, self._frames = now, 0

    def _status(self, now: float, camera: CameraState) -> str:
        """Never the letters themselves: who may read the status may not read along."""
        rate = self._frames / (now - self._told_t)
        letter = (
            "no letter yet" if self._letter_t is None else f"last letter {now - self._letter_t:.0f} s ago"
        )
        return (
            f"{rate:.1f} frames/s, {letter}, {camera.name} {camera.status}, reopened {camera.reopened} times"
        )

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Around the reading of new settings, so that `systemctl status` knows."""
        self.reload_asked = False
        if self._ready:
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        yield
        if self._ready:
            self._ready = notify("READY=1")  # where systemd was too busy, with the next frame

    def end(self) -> None:
        """To be said before the camera is closed: that takes its time."""
        notify("STOPPING=1", "STATUS=closing the camera")


def _watchdog_s() -> float:
    """WatchdogSec= of the unit; infinite where this process is not the one that is watched."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return float("inf")
    return int(os.environ.get("WATCHDOG_USEC", 0)) / 1e6 or float("inf")
