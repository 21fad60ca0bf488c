"""A program for test_service: the real loop on the real camera, whose engine hangs after 5 s."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edge.cameras import open_camera
from edge.engines.scripted import ScriptedEngine, answer
from edge.hand import HandReader
from edge.letters import LetterFilter
from edge.package import open_package
from edge.pipeline import run
from edge.records import Output
from edge.service import Service


def answers() -> Iterator[Output]:
    end_t = time.monotonic() + 5
    while time.monotonic() < end_t:
        yield answer(None)
    threading.Event().wait()


service = Service()
reader = HandReader(ScriptedEngine(answers()), open_package(Path(sys.argv[1])))
with open_camera("synthetic:A", 5.0, service.stop) as camera:
    run(
        camera,
        reader,
        LetterFilter(),
        [],
        service.stop,
        lambda frame, event: service.turn(frame, event, camera.state()),
    )
