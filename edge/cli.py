"""The command line: the only file that builds objects and reads settings.

Heavy imports stand inside the functions that need them: `asl-edge predict` starts in half a second.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edge import __version__
from edge.errors import AslEdgeError, CameraBlind, SettingsError

if TYPE_CHECKING:
    from edge.cameras import Camera
    from edge.hand import HandReader
    from edge.pipeline import Summary
    from edge.settings import Settings

DEMO_FPS = 15.0
BLIND = 3  # exit code of a camera that went blind for minutes: started afresh, it may see again


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asl-edge: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 something was not read or is not well, 2 and 3 one sentence on standard error."""
    logging.basicConfig(format="asl-edge: %(message)s", level=logging.WARNING)
    # our own sentence says what is wrong; OpenCV's and FFmpeg's lines beside it help nobody
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
        return code
    except AslEdgeError as error:
        print(f"asl-edge: {error}", file=sys.stderr)
        return BLIND if isinstance(error, CameraBlind) else 2
    except BrokenPipeError:  # whoever read the output has enough
        _forget_output()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def program() -> NoReturn:
    """main() as a program, which ends also where a camera's thread hangs in its device.

    Python ends such a thread when it comes back while Python ends, in the midst of OpenCV: abort.
    """
    code = main()
    if any(thread.name.startswith("camera ") for thread in threading.enumerate()):
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="asl-edge", description="Reads the American Sign Language alphabet, on the device.")
    parser.add_argument("--version", action="version", version=f"asl-edge {__version__}")
    commands = parser.add_subparsers(required=True, metavar="predict | run | demo | doctor")
    model = _Parser(add_help=False)
    model.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; flags go over them")
    model.add_argument("--model", metavar="DIR", help="deployment package (default: the shipped one)")
    model.add_argument("--engine", help="onnx (default) or torchscript")
    model.add_argument("--variant", help="int8, float or dynamic (default: the engine's usual one)")
    model.add_argument("--threads", type=int, metavar="N", help="default: one for each core, at most 4")
    model.add_argument("--min-confidence", type=float, metavar="P", help="read no letter less sure, 0 to 1")

    camera = _Parser(add_help=False)
    camera.add_argument(
        "--camera", help="pi, jetson, usb:0, usb:/dev/video0, replay:FOLDER_OR_VIDEO or synthetic:WORD"
    )
    camera.add_argument("--fps", type=float, metavar="N", help="frames a second to ask of the camera")
    camera.add_argument("--flip", action=argparse.BooleanOptionalAction, help="change left and right")
    camera.add_argument("--rotation-deg", type=int, metavar="DEG", help="turn clockwise: 90, 180 or 270")

    predict = commands.add_parser("predict", parents=[model], help="picture files -> a JSON line each")
    predict.add_argument(
        "files", nargs="*", metavar="FILE", help="picture; - takes names from standard input"
    )
    predict.set_defaults(command=_predict)

    run = commands.add_parser(
        "run", parents=[model, camera], help="camera -> a JSON line for each letter held"
    )
    run.add_argument("--spinning", action=argparse.BooleanOptionalAction, help="waiting threads burn a core")
    run.add_argument("--hold-s", type=float, metavar="S", help="how long a letter must be held")
    run.add_argument("--gap-s", type=float, metavar="S", help="how long it must be gone to count again")
    run.add_argument("--space-s", type=float, metavar="S", help="no hand for so long is a space; 0: none")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", parents=[model], help="a drawn hand spells WORD, the model reads it")
    demo.add_argument("word", metavar="WORD")
    demo.set_defaults(command=_demo)

    doctor = commands.add_parser("doctor", parents=[camera], help="what is installed, and does it work")
    doctor.add_argument("--model", metavar="DIR", help="deployment package to check")
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
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    summary = _loop(_settings(arguments), stop, realtime=True)
    print(
        f"asl-edge: {summary.frames} frames read, {summary.dropped} dropped, {summary.letters} letters",
        file=sys.stderr,
    )
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    word = arguments.word.upper()
    if not (word.isascii() and word.isalpha()):
        raise SettingsError(f"demo spells one word of the letters A to Z, not '{arguments.word}'")
    settings = replace(_settings(arguments), camera=f"synthetic:{word}", fps=DEMO_FPS)
    # every frame, however slow the machine: the demo proves the path, not the speed
    summary = _loop(settings, threading.Event(), realtime=False)
    print(summary.text)
    if summary.text != word:
        print(f"asl-edge: the word was {word}", file=sys.stderr)
    return 0 if summary.text == word else 1


def _doctor(arguments: argparse.Namespace) -> int:
    from edge.doctor import examine, examine_camera

    if arguments.camera:
        settings = _settings(arguments)
        with _open_camera(settings, threading.Event(), realtime=True) as camera:
            lines, well = examine_camera(camera, settings.fps)
    else:
        lines, well = examine(Path(arguments.model) if arguments.model else None)
    print("\n".join(lines))
    return 0 if well else 1


def _settings(arguments: argparse.Namespace) -> "Settings":
    from edge.settings import Settings, read_settings, with_flags

    given = vars(arguments)
    config = given.get("config")
    settings = read_settings(config) if config else Settings()
    return with_flags(settings, {key: given[key] for key in vars(settings) if key in given})


def _open_reader(settings: "Settings", threads: int) -> "HandReader":
    from edge.engines import open_engine
    from edge.hand import HandReader
    from edge.package import open_package

    package = open_package(Path(settings.model))
    engine = open_engine(settings.engine, package, settings.variant or None, threads, settings.spinning)
    return HandReader(engine, package, settings.min_confidence)


def _open_camera(settings: "Settings", stop: threading.Event, realtime: bool) -> "Camera":
    from edge.cameras import open_camera
    from edge.cameras.turn import Turn

    turn = Turn(settings.flip, settings.rotation_deg)
    return open_camera(settings.camera, settings.fps, stop, realtime, turn)


def _loop(settings: "Settings", stop: threading.Event, realtime: bool) -> "Summary":
    from edge.letters import LetterFilter
    from edge.pipeline import run
    from edge.sinks.jsonlines import JsonLines

    reader = _open_reader(
        settings, settings.threads
    )  # a wrong package is refused before the camera is opened
    letters = LetterFilter(settings.hold_s, settings.gap_s, settings.space_s)
    with _open_camera(settings, stop, realtime) as camera:
        return run(camera, reader, letters, [JsonLines(sys.stdout, stop)], stop)


def _forget_output() -> None:
    """Python flushes standard output once more at its end; into nothing, then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
