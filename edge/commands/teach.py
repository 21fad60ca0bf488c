"""`asl-edge teach`: record each letter for two seconds in front of the camera, then learn from it."""

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from edge.build import build_camera, build_teaching, load_model, open_settings_package
from edge.cameras import Camera
from edge.commands.flags import CAMERA, MODEL, add_settings, load_settings
from edge.errors import TeachError
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.tracker import HandTracker
from edge.personalize.learning import LearnResult
from edge.personalize.taught_file import locate_taught_file
from edge.personalize.teaching import NO_FEATURES, TeachingSession
from edge.printable import print_line
from edge.records import LETTERS, LoopStep
from edge.settings import Settings
from edge.system.stdout import say

PLACE = "{letter}"  # in the camera's name: another camera for each letter, e.g. synthetic:{letter}
READY_S = 1.5  # from the prompt to the recording, if a person signs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "letters", nargs="?", default="", metavar="LETTERS", help="letters to teach, e.g. NRT"
    )
    parser.add_argument("--forget", action="store_true", help="forget everything this model was taught here")
    add_settings(parser, (*MODEL, *CAMERA))


def main(arguments: argparse.Namespace) -> int:
    """Return 1 if what was recorded does not help and is not kept."""
    settings = load_settings(arguments)
    if arguments.forget:
        if arguments.letters:
            raise TeachError(f"--forget forgets all letters: leave out '{arguments.letters}'")
        say(forget_taught(settings))
        return 0
    result = teach(settings, arguments.letters, lambda text: print_line(text, file=sys.stderr))
    say(result.sentence)
    return 0 if result.helps else 1


def teach(settings: Settings, letters: str, prompt: Callable[[str], None]) -> LearnResult:
    """Record the letters one after another and learn from them; the result is kept if it helps.

    Raises TeachError if there is nothing to learn from, CameraError if the camera fails.
    """
    to_teach = list(dict.fromkeys(letters.upper())) if letters.isascii() else []
    if not to_teach or not set(to_teach) <= set(LETTERS):
        raise TeachError(f"teach takes letters from A to Z, e.g. asl-edge teach NRT, got '{letters}'")
    package, engine = load_model(settings, golden=True)
    teaching = build_teaching(settings, package, engine)
    if not teaching.has_features:
        raise TeachError(f"{package.folder}: {NO_FEATURES}")
    teaching.file.check_writable()
    teaching.restore()
    engine.correction = None  # record what the network itself reads
    tracker = HandTracker(engine, package.spec, palm_detector=MediaPipePalmDetector(settings.threads))
    for letter, camera in _cameras(settings, to_teach):
        _record(teaching, tracker, camera, letter, prompt, waits=PLACE not in settings.camera)
        prompt(teaching.message)
    if not teaching.recordings:
        raise TeachError("nothing was recorded, and nothing has changed: sign each letter for two seconds")
    return teaching.learn()


def _cameras(settings: Settings, letters: list[str]) -> Iterator[tuple[str, Camera]]:
    """Yield (letter, camera): one camera for all, or one per letter if its name contains PLACE."""
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
    teaching: TeachingSession,
    tracker: HandTracker,
    camera: Camera,
    letter: str,
    prompt: Callable[[str], None],
    waits: bool,
) -> None:
    begin_t: float | None = None
    began = False
    for frame in camera:
        if frame is None:
            continue
        if begin_t is None:
            prompt(f"Sign {letter} for two seconds, and turn your hand a little.")
            begin_t = frame.t
        if not began and frame.t - begin_t >= (READY_S if waits else 0.0):
            teaching.record(letter)
            began = True
        teaching.observe(LoopStep(camera.state(), frame, tracker.follow(frame)))
        if began and teaching.recording is None:
            return
    if not began:  # a replayed folder may end before the recording begins
        teaching.record(letter)
    teaching.end_recording()


def forget_taught(settings: Settings) -> str:
    """Remove what the settings' model was taught on this device, and return a sentence about it."""
    file = locate_taught_file(open_settings_package(settings), settings.variant, settings.state_dir)
    return f"{file.path} is forgotten" if file.delete() else f"nothing was taught: there is no {file.path}"
