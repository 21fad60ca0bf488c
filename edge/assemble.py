"""Settings -> what the loop is made of. A wrong package is refused here, before a camera is opened."""

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.cameras import Camera, open_camera
from edge.cameras.turn import Turn
from edge.engines import USUAL_VARIANT, open_engine
from edge.golden import check_golden
from edge.hand import HandReader
from edge.journal import STDOUT, leads_to_journal
from edge.letters import LetterFilter
from edge.motion import Stillness
from edge.package import open_package
from edge.records import Engine, Sink
from edge.settings import Settings
from edge.sinks.jsonlines import JsonFile, JsonLines


@dataclass(frozen=True)
class Parts:
    """What one run of the loop is made of, but for the camera."""

    settings: Settings
    reader: HandReader
    letters: LetterFilter
    sinks: list[Sink]
    stillness: Stillness | None


def parts_of(settings: Settings, stop: threading.Event) -> Parts:
    """PackageError, EngineError or SettingsError where something is no good."""
    reader = reader_of(settings, golden=True)
    letters = LetterFilter(settings.hold_s, settings.gap_s, settings.space_s)
    stillness = Stillness(settings.hold_s) if settings.rest_when_still else None
    return Parts(settings, reader, letters, sinks_of(settings, stop), stillness)


def reader_of(
    settings: Settings, golden: bool = False, around: Callable[[Engine], Engine] = lambda engine: engine
) -> HandReader:
    """The settings' model; `golden`: after it answered the golden input as it did at export.

    `around` wraps the engine, for whoever wants to see what it is shown.
    """
    package = open_package(Path(settings.model))
    variant = settings.variant or USUAL_VARIANT[settings.engine]
    engine = open_engine(settings.engine, package, variant, settings.threads, settings.spinning)
    if golden:
        check_golden(engine, package, variant)
    return HandReader(around(engine), package, settings.min_confidence)


def sinks_of(settings: Settings, stop: threading.Event) -> list[Sink]:
    """Where the letters go; `stop` is set when nobody reads standard output any more."""
    output = settings.output or ("none" if leads_to_journal(STDOUT) else "-")
    if output == "none":
        return []
    return [JsonLines(sys.stdout, stop) if output == "-" else JsonFile(Path(output))]


def camera_of(settings: Settings, stop: threading.Event, realtime: bool = True) -> Camera:
    """The camera that the settings name, opened by `with`; CameraError where there is none of that name."""
    turn = Turn(settings.flip, settings.rotation_deg)
    return open_camera(settings.camera, settings.fps, stop, realtime, turn)
