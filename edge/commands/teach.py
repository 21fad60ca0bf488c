"""`asl-edge teach`: each letter is signed for two seconds in front of the camera, then learned from."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from edge.build import build_camera, build_teaching, load_model
from edge.cameras import Camera
from edge.engines import DEFAULT_VARIANT
from edge.errors import TeachError
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.package import open_package
from edge.personalize.correction import belongs_of, can_be_kept, forget
from edge.personalize.teaching import NO_FEATURES, LearnResult, Teaching
from edge.records import LETTERS, LoopStep
from edge.settings import Settings

PLACE = "{letter}"  # in the camera's name: another camera for each letter, e.g. synthetic:{letter}
READY_S = 1.5  # between the word and the recording, where a person signs


def teach(settings: Settings, letters: str, say: Callable[[str], None]) -> LearnResult:
    """Records the letters one after another -> what learning showed; kept if it helps. TeachError where
    there is nothing to learn from, CameraError where the camera fails."""
    wanted = list(dict.fromkeys(letters.upper())) if letters.isascii() else []
    if not wanted or not set(wanted) <= set(LETTERS):
        raise TeachError(f"teach takes letters from A to Z, e.g. asl-edge teach NRT, not '{letters}'")
    package, variant, engine = load_model(settings, golden=True)
    teaching = build_teaching(settings, package, variant, engine)
    if not teaching.has_features:
        raise TeachError(f"{package.folder}: {NO_FEATURES}")
    can_be_kept(teaching.belongs)
    teaching.restore()
    engine.correction = None  # what is taught is how the network reads, not how it was corrected
    reader = HandReader(engine, package, find=MediaPipePalmDetector(settings.threads))
    for letter, camera in _cameras(settings, wanted):
        _record(teaching, reader, camera, letter, say, waits=PLACE not in settings.camera)
        say(teaching.says)
    if not teaching.recordings:
        raise TeachError(
            "nothing was recorded, so that nothing has changed: sign each letter for two seconds"
        )
    return teaching.learn()


def _cameras(settings: Settings, letters: list[str]) -> Iterator[tuple[str, Camera]]:
    """One for all, or one for each letter where the camera's name has a place for it."""
    stop = threading.Event()
    if PLACE in settings.camera:
        for letter in letters:
            named = replace(settings, camera=settings.camera.replace(PLACE, letter))
            with build_camera(named, stop, realtime=False) as camera:
                yield letter, camera
        return
    with build_camera(settings, stop) as camera:
        for letter in letters:
            yield letter, camera


def _record(
    teaching: Teaching,
    reader: HandReader,
    camera: Camera,
    letter: str,
    say: Callable[[str], None],
    waits: bool,
) -> None:
    begin_t: float | None = None
    began = False
    for frame in camera:
        if frame is None:
            continue
        if begin_t is None:
            say(f"Sign {letter}, and turn the hand a little meanwhile.")
            begin_t = frame.t
        if not began and frame.t - begin_t >= (READY_S if waits else 0.0):
            teaching.record(letter)
            began = True
        teaching.turn(LoopStep(frame, reader.follow(frame)))
        if began and teaching.recording is None:
            return
    if not began:  # a folder of pictures may end before anything, and sooner than two seconds
        teaching.record(letter)
    teaching.end_recording()


def forget_taught(settings: Settings) -> str:
    """Removes what the settings' model was taught on this device -> a sentence on it."""
    package = open_package(Path(settings.model))
    belongs = belongs_of(package, settings.variant or DEFAULT_VARIANT[settings.engine], settings.teach_folder)
    there = forget(belongs)
    return f"{belongs.path} is forgotten" if there else f"nothing was taught: there is no {belongs.path}"
