"""The command line: the only file that builds objects and reads settings.

Heavy imports stand inside the functions that need them: `asl-edge predict` starts in half a second.
"""

import argparse
import json
import logging
import math
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edge import __version__
from edge.errors import AslEdgeError, CameraBlind, CameraError, SettingsError
from edge.journal import STDOUT, leads_to_journal, start_log

if TYPE_CHECKING:
    from edge.cameras import Camera
    from edge.hand import HandReader
    from edge.letters import LetterFilter
    from edge.records import Frame, LetterEvent, Sink
    from edge.service import Service
    from edge.settings import Settings

log = logging.getLogger(__name__)

DEMO_FPS = 15.0
BLIND = 3  # exit code of a camera that went blind for minutes: started afresh, it may see again


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asl-edge: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 something was not read or is not well, 2 and 3 one sentence on standard error."""
    start_log()
    # our own sentence says what is wrong; OpenCV's and FFmpeg's lines beside it help nobody
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
        return code
    except AslEdgeError as error:
        log.error("%s", error)
        return BLIND if isinstance(error, CameraBlind) else 2
    except BrokenPipeError:  # whoever read the output has enough
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="asl-edge", description="Reads the American Sign Language alphabet, on the device.")
    parser.add_argument("--version", action="version", version=f"asl-edge {__version__}")
    commands = parser.add_subparsers(required=True, metavar="predict | run | demo | check | doctor")
    model = _Parser(add_help=False)
    model.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; flags go over them")
    model.add_argument("--model", metavar="DIR", help="deployment package (default: the shipped one)")
    model.add_argument("--engine", help="onnx (default) or torchscript")
    model.add_argument("--variant", help="int8, float or dynamic (default: the engine's usual one)")
    model.add_argument("--threads", type=int, metavar="N", help="default: one for each core, at most 4")
    model.add_argument("--min-confidence", type=float, metavar="P", help="read no letter less sure, 0 to 1")

    predict = commands.add_parser("predict", parents=[model], help="picture files -> a JSON line each")
    predict.add_argument(
        "files", nargs="*", metavar="FILE", help="picture; - takes names from standard input"
    )
    predict.set_defaults(command=_predict)

    run = commands.add_parser("run", parents=[model], help="camera -> a JSON line for each letter held")
    run.add_argument("--camera", help="usb:0, usb:/dev/video0, replay:FOLDER_OR_VIDEO or synthetic:WORD")
    run.add_argument("--fps", type=float, metavar="N", help="frames a second to ask of the camera")
    run.add_argument("--spinning", action=argparse.BooleanOptionalAction, help="waiting threads burn a core")
    run.add_argument("--hold-s", type=float, metavar="S", help="how long a letter must be held")
    run.add_argument("--gap-s", type=float, metavar="S", help="how long it must be gone to count again")
    run.add_argument("--space-s", type=float, metavar="S", help="no hand for so long is a space; 0: none")
    run.add_argument("--output", metavar="FILE", help="where the letters go: - (default), none, or a file")
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning or error")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", parents=[model], help="a drawn hand spells WORD, the model reads it")
    demo.add_argument("word", metavar="WORD")
    demo.set_defaults(command=_demo)

    check = commands.add_parser(
        "check", parents=[model], help="may this package run here: files, answer, speed"
    )
    check.add_argument("folder", nargs="?", metavar="DIR", help="deployment package (default: the settings')")
    check.add_argument("--limit-ms", type=float, metavar="N", default=math.inf, help="slowest median reading")
    check.set_defaults(command=_check)

    doctor = commands.add_parser("doctor", help="what is installed, and does it work")
    doctor.add_argument("--model", type=Path, metavar="DIR", help="deployment package to check")
    doctor.set_defaults(command=_doctor)
    return parser


def _predict(arguments: argparse.Namespace) -> int:
    from edge.predict import names_of, predict_files

    if not arguments.files:
        raise SettingsError("predict got no files: name pictures, or - to take names from standard input")
    settings = _settings(arguments)
    reader = _open_reader(settings, threads=1)
    code = 0
    for answer in predict_files(names_of(arguments.files), reader, at_a_time=settings.threads):
        code = 1 if "error" in answer else code
        print(json.dumps(answer), flush=True)
    return code


def _run(arguments: argparse.Namespace) -> int:
    """The loop, built again from the settings after each SIGHUP that brought good ones."""
    import faulthandler

    from edge.cameras import open_camera
    from edge.service import Service

    faulthandler.enable()  # systemd's watchdog ends a stuck process with SIGABRT: this says where it was
    service = Service()
    service.listen(reloads=arguments.config is not None and not os.isatty(0))
    before: _Built | None = None
    now: _Built | None = _built(_settings(arguments), service.stop)
    while now is not None:
        logging.getLogger().setLevel(now.settings.log_level.upper())
        try:
            camera = open_camera(now.settings.camera, now.settings.fps, service.stop)
        except CameraError as error:
            if before is None:
                raise
            log.error("the new settings are not used: %s", error)
            now, before = before, None
            continue
        with camera:
            now, before = _until_reloaded(now, camera, service, arguments), now
    return 0


def _until_reloaded(
    built: "_Built", camera: "Camera", service: "Service", arguments: argparse.Namespace
) -> "_Built | None":
    """One run of the loop -> what the next one is built of, or None at the end."""
    from edge.pipeline import run

    following = None

    def turned(frame: "Frame | None", event: "LetterEvent | None") -> None:
        nonlocal following
        service.turn(frame, event, camera.state())
        if service.reload_asked:
            with service.reloading():
                following = _rebuilt(arguments, service.stop)
            if following is not None:
                service.stop.set()

    summary = run(camera, built.reader, built.letters, built.sinks, service.stop, turned)
    log.info("%d frames read, %d dropped, %d letters", summary.frames, summary.dropped, summary.letters)
    if following is not None:
        service.stop.clear()
    if following is None or service.ending:
        service.end()
        return None
    return following


def _rebuilt(arguments: argparse.Namespace, stop: threading.Event) -> "_Built | None":
    """The loop of the settings as they are now; None, and a line that says why, where they are no good."""
    try:
        built = _built(_settings(arguments), stop)
    except AslEdgeError as error:
        log.error("the new settings are not used: %s", error)
        return None
    log.info("the settings were read again from %s", arguments.config)
    return built


@dataclass(frozen=True)
class _Built:
    """What one run of the loop is made of, but for the camera."""

    settings: "Settings"
    reader: "HandReader"
    letters: "LetterFilter"
    sinks: "list[Sink]"


def _built(settings: "Settings", stop: threading.Event) -> _Built:
    """PackageError, EngineError or SettingsError where something is no good: before a camera is opened."""
    from edge.letters import LetterFilter

    reader = _open_reader(settings, settings.threads, golden=True)
    letters = LetterFilter(settings.hold_s, settings.gap_s, settings.space_s)
    return _Built(settings, reader, letters, _sinks(settings, stop))


def _sinks(settings: "Settings", stop: threading.Event) -> "list[Sink]":
    from edge.sinks.jsonlines import JsonFile, JsonLines

    output = settings.output or ("none" if leads_to_journal(STDOUT) else "-")
    if output == "none":
        return []
    return [JsonLines(sys.stdout, stop) if output == "-" else JsonFile(Path(output))]


def _demo(arguments: argparse.Namespace) -> int:
    from edge.cameras import open_camera
    from edge.pipeline import run

    word = arguments.word.upper()
    if not (word.isascii() and word.isalpha()):
        raise SettingsError(f"demo spells one word of the letters A to Z, not '{arguments.word}'")
    settings = replace(_settings(arguments), camera=f"synthetic:{word}", fps=DEMO_FPS)
    stop = threading.Event()
    built = _built(replace(settings, output="-"), stop)
    # every frame, however slow the machine: the demo proves the path, not the speed
    with open_camera(settings.camera, settings.fps, stop, realtime=False) as camera:
        summary = run(camera, built.reader, built.letters, built.sinks, stop)
    print(summary.text)
    if summary.text != word:
        print(f"asl-edge: the word was {word}", file=sys.stderr)
    return 0 if summary.text == word else 1


def _check(arguments: argparse.Namespace) -> int:
    from edge.check import check_package
    from edge.engines import USUAL_VARIANT, open_engine
    from edge.package import open_package

    settings = _settings(arguments)
    variant = settings.variant or USUAL_VARIANT[settings.engine]
    package = open_package(Path(arguments.folder or settings.model))
    engine = open_engine(settings.engine, package, variant, settings.threads, settings.spinning)
    print(check_package(engine, package, variant, arguments.limit_ms))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from edge.doctor import examine

    lines, well = examine(arguments.model)
    print("\n".join(lines))
    return 0 if well else 1


def _settings(arguments: argparse.Namespace) -> "Settings":
    from edge.settings import Settings, read_settings, with_flags

    given = vars(arguments)
    settings = read_settings(arguments.config) if arguments.config else Settings()
    return with_flags(settings, {key: given[key] for key in vars(settings) if key in given})


def _open_reader(settings: "Settings", threads: int, golden: bool = False) -> "HandReader":
    from edge.engines import USUAL_VARIANT, open_engine
    from edge.golden import check_golden
    from edge.hand import HandReader
    from edge.package import open_package

    package = open_package(Path(settings.model))
    engine = open_engine(settings.engine, package, settings.variant or None, threads, settings.spinning)
    if golden:
        check_golden(engine, package, settings.variant or USUAL_VARIANT[settings.engine])
    return HandReader(engine, package, settings.min_confidence)


def _forget_output() -> None:
    """Python flushes standard output once more at its end; into nothing, then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
