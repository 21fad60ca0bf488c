"""Settings -> what the loop is made of. A wrong package is refused here, before a camera is opened."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.cameras import Camera, open_camera
from edge.cameras.orientation import Turn
from edge.engines import USUAL_VARIANT, open_engine
from edge.engines.golden import check_golden
from edge.errors import SettingsError, TeachError
from edge.hand.motion_gate import Stillness
from edge.hand.palm_detector import Find, PalmFinder
from edge.hand.reader import HandReader
from edge.letters.filter import LetterFilter
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import Live
from edge.package import FEATURES, Package, open_package
from edge.personalize.correction import TaughtEngine, belongs_of
from edge.personalize.teaching import Teaching
from edge.records import Engine, Observer, Sink
from edge.settings import Settings
from edge.sinks.jsonlines import JsonFile, JsonLines
from edge.system.logs import STDOUT, leads_to_journal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What one run of the loop is made of, but for the camera."""

    settings: Settings
    reader: HandReader
    letters: LetterFilter
    sinks: list[Sink]
    stillness: Stillness | None
    model: ModelName
    teaching: Teaching


def parts_of(settings: Settings, stop: threading.Event) -> Parts:
    """PackageError, EngineError or SettingsError where something is no good."""
    package, variant, engine = model_of(settings, golden=True)
    teaching = teaching_of(settings, package, variant, engine)
    try:
        teaching.restore()
    except TeachError as error:  # a service reads on without it: a new model must not end it
        log.warning("what was taught is not used: %s", error)
    file = package.metadata["files"][variant]
    return Parts(
        settings,
        HandReader(engine, package, settings.min_confidence, PalmFinder(settings.threads)),
        LetterFilter(settings.hold_s, settings.gap_s, settings.space_s),
        sinks_of(settings, stop),
        Stillness(settings.hold_s) if settings.rest_when_still else None,
        ModelName(str(package.metadata.get("created", "")), file["sha256"], variant),
        teaching,
    )


def reader_of(
    settings: Settings,
    golden: bool = False,
    around: Callable[[Engine], Engine] = lambda engine: engine,
    around_finder: Callable[[Find], Find] = lambda find: find,
) -> HandReader:
    """The settings' model for single pictures, with what it was taught: TeachError where that is no good.

    `golden`: after it answered the golden input as it did at export. `around` wraps the engine and
    `around_finder` the palm detector, for whoever wants to see what they are shown.
    """
    package, variant, engine = model_of(settings, golden)
    teaching_of(settings, package, variant, engine).restore()
    find = around_finder(PalmFinder(settings.threads))
    return HandReader(around(engine), package, settings.min_confidence, find)


def model_of(settings: Settings, golden: bool = False) -> tuple[Package, str, TaughtEngine]:
    """The settings' package, its variant and engine; `golden`: after it answered as it did at export."""
    package = open_package(Path(settings.model))
    variant = settings.variant or USUAL_VARIANT[settings.engine]
    engine = open_engine(settings.engine, package, variant, settings.threads, settings.spinning)
    if golden:
        check_golden(engine, package, variant)
    return package, variant, TaughtEngine(engine)


def teaching_of(settings: Settings, package: Package, variant: str, engine: TaughtEngine) -> Teaching:
    """Where this device's lessons with that model are kept."""
    belongs = belongs_of(package, variant, settings.teach_folder)
    return Teaching(engine, belongs, package.temperature, FEATURES in package.output_shapes)


@contextlib.contextmanager
def watched(parts: Parts) -> Iterator[Live | None]:
    """Page, MQTT and metrics, as the settings want them, while the loop runs; None where there is none.

    SettingsError where one of them can't be had.
    """
    settings = parts.settings
    if settings.metrics and not settings.page:
        raise SettingsError("'metrics' is true, and the page's server is what answers them: give page, too")
    if not (settings.page or settings.mqtt):
        yield None
        return
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = []
        metrics = Metrics(parts.model) if settings.metrics else None
        if metrics is not None:
            observers.append(metrics)
        if settings.mqtt:
            from edge.sinks.mqtt import Mqtt

            observers.append(stack.enter_context(Mqtt(settings)))
        live = Live(parts.letters, settings.hold_s, observers)
        if settings.page:
            from edge.web import open_page

            stack.enter_context(open_page(settings, live, parts.model, metrics, parts.teaching))
        yield live


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
