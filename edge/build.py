"""Build the parts of the loop from the settings. A wrong package is refused before a camera is opened."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.cameras import Camera, open_camera
from edge.cameras.network import NO_LOGIN, Login, is_network_camera
from edge.cameras.orientation import Orientation
from edge.engines import open_engine
from edge.engines.golden import check_golden
from edge.errors import SettingsError, TeachError
from edge.hand.motion_gate import MotionGate
from edge.hand.palm_detector import MediaPipePalmDetector, PalmDetector
from edge.hand.reader import HandReader
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.models import DEFAULT_PROVIDER
from edge.observe.hints import HintTracker
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher, each_snapshot
from edge.package import FEATURES, Package, open_package
from edge.personalize.correction import CorrectedEngine
from edge.personalize.taught_file import locate_taught_file
from edge.personalize.teaching import TeachingSession
from edge.pipeline import each_letter
from edge.records import Engine, LoadedEngine, LoopStep, Observer, Sink
from edge.settings import Settings
from edge.sinks.jsonlines import JsonFile, JsonLines
from edge.system.credentials import read_secret
from edge.system.logs import STDOUT, leads_to_journal
from edge.system.state_folder import locate_restart_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """The parts of one run of the loop, except the camera and the observers."""

    settings: Settings
    tracker: HandTracker
    letters: LetterFilter
    sinks: list[Sink]
    motion_gate: MotionGate | None
    model: ModelName
    teaching: TeachingSession


def build_components(settings: Settings, stop: threading.Event) -> Components:
    """Return the parts of the loop. Raises PackageError, EngineError or SettingsError."""
    package, engine = load_model(settings, golden=True)
    teaching = build_teaching(settings, package, engine)
    try:
        teaching.restore()
    except TeachError as error:  # a service goes on without it, for example after an update of the model
        log.warning("what was taught is not used: %s", error)
    sha256 = package.sha256(settings.variant)
    return Components(
        settings,
        HandTracker(engine, package.spec, settings.min_confidence, MediaPipePalmDetector(settings.threads)),
        build_letter_filter(settings),
        build_sinks(settings, stop),
        MotionGate(settings.hold_s) if settings.skip_still_frames else None,
        ModelName(str(package.metadata.get("created", "")), sha256, settings.variant),
        teaching,
    )


def build_reader(settings: Settings) -> HandReader:
    """Return a reader of single pictures. Raises TeachError if what the model was taught can't be used."""
    package, engine = load_model(settings)
    build_teaching(settings, package, engine).restore()
    palm_detector = MediaPipePalmDetector(settings.threads)
    return HandReader(engine, package.spec, settings.min_confidence, palm_detector)


def build_tracker(
    settings: Settings,
    wrap_engine: Callable[[CorrectedEngine], Engine] = lambda engine: engine,
    wrap_palm_detector: Callable[[PalmDetector], PalmDetector] = lambda detector: detector,
) -> HandTracker:
    """Return a tracker around a wrapped engine and palm detector, for measuring.

    Raises PackageError if the golden check fails, TeachError if what the model was taught can't be used.
    """
    package, engine = load_model(settings, golden=True)
    build_teaching(settings, package, engine).restore()
    palm_detector = wrap_palm_detector(MediaPipePalmDetector(settings.threads))
    return HandTracker(wrap_engine(engine), package.spec, settings.min_confidence, palm_detector)


def load_model(settings: Settings, golden: bool = False) -> tuple[Package, CorrectedEngine]:
    """Return the settings' package and its engine; `golden` checks its golden answer first."""
    package = open_settings_package(settings)
    engine = load_engine(settings, package)
    if golden:
        check_golden(engine, package, settings.variant)
    return package, CorrectedEngine(engine, ran_on=engine.ran_on)


def open_settings_package(settings: Settings) -> Package:
    """Return the settings' package, signed by one of model.signers if that is set."""
    return open_package(Path(settings.model), settings.signers)


def load_engine(settings: Settings, package: Package) -> LoadedEngine:
    """Return the engine of the settings' variant. A warning says what TorchScript can do."""
    if package.runtime(settings.variant) == "torchscript":
        from edge.engines.torchscript import CAN_DO

        log.warning(CAN_DO)
    engine = open_engine(
        package, settings.variant, settings.threads, settings.thread_spinning, settings.provider
    )
    if settings.provider != DEFAULT_PROVIDER:
        log.info("the model runs on %s", engine.ran_on)
    return engine


def build_letter_filter(settings: Settings) -> LetterFilter:
    """Return the filter with the settings' times and threshold."""
    return LetterFilter(settings.hold_s, settings.release_s, settings.space_s, settings.min_mean_confidence)


def build_teaching(settings: Settings, package: Package, engine: CorrectedEngine) -> TeachingSession:
    """Return the session in which this device is taught letters for the settings' model."""
    file = locate_taught_file(package, settings.variant, settings.state_dir)
    return TeachingSession(engine, file, package.temperature, FEATURES in package.output_shapes)


@contextlib.contextmanager
def observing(parts: Components) -> Iterator[list[Observer]]:
    """Yield the observers of the loop: letters to the output, then page, MQTT and metrics, if they are set.

    Raises SettingsError if one of them can't be opened.
    """
    settings = parts.settings
    if settings.page_metrics and not settings.page:
        raise SettingsError("page.metrics needs the page's server: give page.listen, too")
    observers = [each_letter(sink) for sink in parts.sinks]
    if not (settings.page or settings.mqtt):
        yield observers
        return
    with contextlib.ExitStack() as stack:
        hints = HintTracker(settings.hold_s, settings.min_mean_confidence)
        publisher = SnapshotPublisher(parts.letters, hints)
        observers += [parts.teaching.observe, _wake_while_recording(parts), publisher.observe]
        metrics = Metrics(parts.model) if settings.page_metrics else None
        if metrics is not None:
            observers.append(each_snapshot(publisher, metrics))
        if settings.mqtt:
            from edge.sinks.mqtt import Mqtt

            mqtt = Mqtt(settings, locate_restart_folder(settings.state_dir))
            observers.append(each_snapshot(publisher, stack.enter_context(mqtt)))
        if settings.page:
            from edge.web.server import open_page

            stack.enter_context(open_page(settings, publisher, parts.model, metrics, parts.teaching))
        yield observers


def _wake_while_recording(parts: Components) -> Observer:
    """Return an observer that keeps frames being read while a letter is recorded: that hand is held still."""

    def observe(step: LoopStep) -> None:
        if parts.motion_gate is not None and parts.teaching.recording is not None:
            parts.motion_gate.wake()

    return observe


def build_sinks(settings: Settings, stop: threading.Event) -> list[Sink]:
    """Return where the letters go. The sink sets `stop` when the reader closes standard output."""
    output = settings.output or ("none" if leads_to_journal(STDOUT) else "-")
    if output == "none":
        return []
    return [JsonLines(sys.stdout, stop) if output == "-" else JsonFile(Path(output))]


def build_camera(settings: Settings, stop: threading.Event, realtime: bool = True) -> Camera:
    """Return the settings' camera, to be opened by `with`. Raises CameraError for an unknown name.

    Raises SettingsError if the file with a network camera's password can't be used.
    """
    orientation = Orientation(settings.hflip, settings.rotation_deg)
    login = NO_LOGIN
    if is_network_camera(settings.camera):
        password = read_secret("camera.password_file", settings.camera_password_file, "camera_password")
        if password and not settings.camera_user:
            raise SettingsError("camera.password_file needs camera.user: give both")
        login = Login(settings.camera_user, password)
    return open_camera(settings.camera, settings.fps, stop, realtime, orientation, login)
