"""Settings -> what the loop is made of. A wrong package is refused here, before a camera is opened."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.cameras import Camera, open_camera
from edge.cameras.orientation import Orientation
from edge.engines import open_engine
from edge.engines.golden import check_golden
from edge.errors import SettingsError, TeachError
from edge.hand.motion_gate import MotionGate
from edge.hand.palm_detector import MediaPipePalmDetector, PalmDetector
from edge.hand.reader import HandReader
from edge.letters.filter import LetterFilter
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.package import FEATURES, Package, open_package
from edge.personalize.correction import TaughtEngine, belongs_of
from edge.personalize.teaching import Teaching
from edge.records import Engine, Observer, Sink
from edge.settings import Settings
from edge.sinks.jsonlines import JsonFile, JsonLines
from edge.system.logs import STDOUT, leads_to_journal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """What one run of the loop is made of, but for the camera."""

    settings: Settings
    reader: HandReader
    letters: LetterFilter
    sinks: list[Sink]
    motion_gate: MotionGate | None
    model: ModelName
    teaching: Teaching


def build_components(settings: Settings, stop: threading.Event) -> Components:
    """PackageError, EngineError or SettingsError where something is no good."""
    package, engine = load_model(settings, golden=True)
    teaching = build_teaching(settings, package, engine)
    try:
        teaching.restore()
    except TeachError as error:  # a service reads on without it: a new model must not end it
        log.warning("what was taught is not used: %s", error)
    sha256 = package.metadata["files"][settings.variant]["sha256"]
    return Components(
        settings,
        HandReader(engine, package, settings.min_confidence, MediaPipePalmDetector(settings.threads)),
        build_letter_filter(settings),
        build_sinks(settings, stop),
        MotionGate(settings.hold_s) if settings.skip_still_frames else None,
        ModelName(str(package.metadata.get("created", "")), sha256, settings.variant),
        teaching,
    )


def build_reader(
    settings: Settings,
    golden: bool = False,
    around: Callable[[Engine], Engine] = lambda engine: engine,
    around_finder: Callable[[PalmDetector], PalmDetector] = lambda find: find,
) -> HandReader:
    """The settings' model for single pictures, with what it was taught: TeachError where that is no good.

    `golden`: after it answered the golden input as it did at export. `around` wraps the engine and
    `around_finder` the palm detector, for whoever wants to see what they are shown.
    """
    package, engine = load_model(settings, golden)
    build_teaching(settings, package, engine).restore()
    find = around_finder(MediaPipePalmDetector(settings.threads))
    return HandReader(around(engine), package, settings.min_confidence, find)


def load_model(settings: Settings, golden: bool = False) -> tuple[Package, TaughtEngine]:
    """Return the settings' package and its engine; `golden`: after a check of the golden answer."""
    package = open_package(Path(settings.model))
    engine = load_engine(settings, package)
    if golden:
        check_golden(engine, package, settings.variant)
    return package, TaughtEngine(engine)


def load_engine(settings: Settings, package: Package) -> Engine:
    """Return the engine of the settings' variant."""
    return open_engine(package, settings.variant, settings.threads, settings.thread_spinning)


def build_letter_filter(settings: Settings) -> LetterFilter:
    """Return the filter with the settings' times and threshold."""
    return LetterFilter(settings.hold_s, settings.release_s, settings.space_s, settings.min_mean_confidence)


def build_teaching(settings: Settings, package: Package, engine: TaughtEngine) -> Teaching:
    """Return the recorder of what this device is taught about the settings' model."""
    belongs = belongs_of(package, settings.variant, settings.state_dir)
    return Teaching(engine, belongs, package.temperature, FEATURES in package.output_shapes)


@contextlib.contextmanager
def watched(parts: Components) -> Iterator[SnapshotPublisher | None]:
    """Page, MQTT and metrics, as the settings want them, while the loop runs; None where there is none.

    SettingsError where one of them can't be had.
    """
    settings = parts.settings
    if settings.page_metrics and not settings.page:
        raise SettingsError("page.metrics needs the page's server: give page.listen, too")
    if not (settings.page or settings.mqtt):
        yield None
        return
    with contextlib.ExitStack() as stack:
        observers: list[Observer] = []
        metrics = Metrics(parts.model) if settings.page_metrics else None
        if metrics is not None:
            observers.append(metrics)
        if settings.mqtt:
            from edge.sinks.mqtt import Mqtt

            observers.append(stack.enter_context(Mqtt(settings)))
        publisher = SnapshotPublisher(parts.letters, settings.hold_s, observers)
        if settings.page:
            from edge.web import open_page

            stack.enter_context(open_page(settings, publisher, parts.model, metrics, parts.teaching))
        yield publisher


def build_sinks(settings: Settings, stop: threading.Event) -> list[Sink]:
    """Where the letters go; `stop` is set when nobody reads standard output any more."""
    output = settings.output or ("none" if leads_to_journal(STDOUT) else "-")
    if output == "none":
        return []
    return [JsonLines(sys.stdout, stop) if output == "-" else JsonFile(Path(output))]


def build_camera(settings: Settings, stop: threading.Event, realtime: bool = True) -> Camera:
    """The camera that the settings name, opened by `with`; CameraError where there is none of that name."""
    orientation = Orientation(settings.hflip, settings.rotation_deg)
    return open_camera(settings.camera, settings.fps, stop, realtime, orientation)
