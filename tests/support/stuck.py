"""Run the real loop with an `engine` or a `camera` that hangs after 5 s, for test_run_service."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.cameras import Camera, open_camera
from edge.cameras.driver import LiveSource
from edge.cameras.reconnecting import ReconnectingCamera
from edge.engines.scripted import ScriptedEngine, make_output
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.package import open_package
from edge.pipeline import run
from edge.records import Image, Output
from edge.system.systemd import Service

HANGS_AFTER_S = 5.0


def outputs(hang: bool) -> Iterator[Output]:
    end_t = time.monotonic() + HANGS_AFTER_S
    while not hang or time.monotonic() < end_t:
        yield make_output(None)
    threading.Event().wait()


def pictures(gone: threading.Event) -> Iterator[tuple[Image, float]]:
    """A driver that hangs in its device and ignores `gone`."""
    end_t = time.monotonic() + HANGS_AFTER_S
    while time.monotonic() < end_t:
        time.sleep(0.2)
        yield np.random.default_rng().integers(0, 255, (48, 64, 3), np.uint8), time.monotonic()
    threading.Event().wait()


package, part = sys.argv[1:]
service = Service()
service.listen(reloads=False)
tracker = HandTracker(ScriptedEngine(outputs(part == "engine")), open_package(Path(package)).spec)
camera: Camera = open_camera("synthetic:A", 5.0, service.stop)
if part == "camera":
    camera = ReconnectingCamera(LiveSource("usb:0", pictures, (64, 48)), service.stop)
with camera:
    run(camera, tracker, LetterFilter(), [service.observe], service.stop)
