"""A program for test_service: the real loop, whose `engine` or `camera` hangs after 5 s."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.cameras import Camera, open_camera
from edge.cameras.driver import LiveSource
from edge.cameras.reconnecting import ReconnectingCamera
from edge.engines.scripted import ScriptedEngine, answer
from edge.hand.reader import HandReader
from edge.letters.filter import LetterFilter
from edge.package import open_package
from edge.pipeline import run
from edge.records import Image, Output
from edge.system.systemd import Service

WORKS_S = 5.0


def answers(hang: bool) -> Iterator[Output]:
    end_t = time.monotonic() + WORKS_S
    while not hang or time.monotonic() < end_t:
        yield answer(None)
    threading.Event().wait()


def pictures(gone: threading.Event) -> Iterator[tuple[Image, float]]:
    """A driver that hangs in its device, and does not hear that nobody waits for it any more."""
    end_t = time.monotonic() + WORKS_S
    while time.monotonic() < end_t:
        time.sleep(0.2)
        yield np.random.default_rng().integers(0, 255, (48, 64, 3), np.uint8), time.monotonic()
    threading.Event().wait()


package, what = sys.argv[1:]
service = Service()
service.listen(reloads=False)
reader = HandReader(ScriptedEngine(answers(what == "engine")), open_package(Path(package)))
camera: Camera = open_camera("synthetic:A", 5.0, service.stop)
if what == "camera":
    camera = ReconnectingCamera(LiveSource("usb:0", pictures, (64, 48)), service.stop)
with camera:
    run(
        camera,
        reader,
        LetterFilter(),
        [],
        service.stop,
        lambda m: service.turn(m.frame, m.event, camera.state()),
    )
