"""Tell systemd about the loop (sd_notify(3)), and handle its signals. Without systemd nothing is sent.

The watchdog is fed at each step of the loop and from nowhere else. If the loop hangs in the camera, the
network or a sink, the feeding stops, and systemd restarts the process.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

from edge.errors import reason_of
from edge.records import CameraState, LoopStep

log = logging.getLogger(__name__)

STATUS_S = 2.0  # between two STATUS lines: recent enough for a person, and no load on systemd


class Notifier:
    """The way to systemd. Its socket is open from the start: later there may be no descriptor for one."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # "@" stands for a name in Linux's abstract namespace
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)  # a busy systemd must not hold up the loop
        self._failed = False

    def __call__(self, *lines: str) -> bool:
        """Send assignments such as READY=1. Return False if there is no systemd or its queue is full."""
        if not self._address:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except BlockingIOError:
            return False
        except OSError as error:
            if not self._failed:
                log.warning("systemd can't be told %s: %s", lines[0], reason_of(error))
            self._failed = True
            return False
        self._failed = False
        return True

    def close(self) -> None:
        self._socket.close()


class Service:
    """The process as systemd sees it; `observe` is an observer of the loop."""

    def __init__(self) -> None:
        self.notify = Notifier()
        self.stop = threading.Event()  # ends the loop
        self.ending = False  # a signal asked the process to end
        self.reload_asked = False
        self._ready = False
        self._fed_t = 0.0
        self._status_t = time.monotonic()
        self._frames = 0  # since the last STATUS
        self._letter_t: float | None = None
        self._camera_error = ""
        self._feed_s = _watchdog_s() / 3

    def listen(self, reloads: bool) -> None:
        """Let SIGTERM and SIGINT end the loop, and SIGHUP as well unless it `reloads` the settings."""

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
        """Whether systemd, or another service manager, started this process."""
        return "NOTIFY_SOCKET" in os.environ

    def wait_for_camera(self, error: Exception, pause_s: float) -> None:
        """Log the error once, send it as STATUS, and pause, or until `stop` is set."""
        if str(error) != self._camera_error:
            log.warning("%s; asl-edge tries again", error)
            self._camera_error = str(error)
        self.notify(f"STATUS=waiting for the camera: {error}")
        self.stop.wait(pause_s)

    def observe(self, step: LoopStep) -> None:
        """Feed the watchdog, send READY after the first frame, and STATUS every STATUS_S."""
        now = time.monotonic()
        self._frames += step.frame is not None
        if step.event is not None:
            self._letter_t = now
        if now - self._fed_t >= self._feed_s and self.notify("WATCHDOG=1"):
            self._fed_t = now
        if step.frame is not None and not self._ready:
            self._ready = self.notify("READY=1")
        if now - self._status_t >= STATUS_S:
            self.notify(f"STATUS={self._status(now, step.camera)}")
            self._status_t, self._frames = now, 0

    def _status(self, now: float, camera: CameraState) -> str:
        """Format the status without letters, because more users may read the status than the letters."""
        rate = self._frames / (now - self._status_t)
        letter = (
            "no letter yet" if self._letter_t is None else f"last letter {now - self._letter_t:.0f} s ago"
        )
        return (
            f"{rate:.1f} frames/s, {letter}, {camera.name} {camera.status}, reopened {camera.reopened} times"
        )

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell systemd that a reload begins and, at the end, that the service is ready again."""
        self.reload_asked = False
        if self._ready:
            self.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        yield
        if self._ready:
            self._ready = self.notify(
                "READY=1"
            )  # if systemd is too busy, `observe` sends it with the next frame

    def end(self) -> None:
        """Announce the end; call it before the camera is closed, which takes a moment."""
        self.notify("STOPPING=1", "STATUS=closing the camera")


def _watchdog_s() -> float:
    """Return the unit's WatchdogSec=, or infinity if systemd does not watch this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return float("inf")
    return int(os.environ.get("WATCHDOG_USEC", 0)) / 1e6 or float("inf")
