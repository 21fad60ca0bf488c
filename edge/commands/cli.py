"""The command line: flags and a settings file -> Settings -> one of the programs.

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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edge import __version__
from edge.errors import AslEdgeError, CameraBlind, SettingsError, TeachError
from edge.system.logs import start_log
from edge.system.stdout import forget_output, say, say_all

if TYPE_CHECKING:
    from edge.settings import Settings

log = logging.getLogger(__name__)

DEMO_FPS = 15.0
BLIND = 3  # exit code of a camera that went blind for minutes: started afresh, it may see again


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asl-edge: {message} (see {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        try:  # help or version, of which whoever reads it may have enough
            sys.stdout.flush()
        except OSError:
            forget_output()
        super().exit(status, message)


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 something was not read or is not well, 2 and 3 one sentence on standard error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started it
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  for as long as the program runs
    start_log()
    # our own sentence says what is wrong; OpenCV's and FFmpeg's lines beside it help nobody
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
        say_all()
        return code
    except AslEdgeError as error:
        log.error("%s", error)
        return BLIND if isinstance(error, CameraBlind) else 2
    except BrokenPipeError:  # whoever read the output has enough
        forget_output()
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    model = _Parser(add_help=False)
    model.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; flags go over them")
    model.add_argument("--model", metavar="DIR", help="deployment package (default: the shipped one)")
    model.add_argument("--engine", help="onnx (default) or torchscript")
    model.add_argument("--variant", help="int8, float or dynamic (default: the engine's usual one)")
    model.add_argument("--threads", type=int, metavar="N", help="default: one for each core, at most 4")
    model.add_argument("--min-confidence", type=float, metavar="P", help="read no letter less sure, 0 to 1")

    model.add_argument("--teach-folder", metavar="DIR", help="where what was taught is kept")

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
    run.add_argument(
        "--rest-when-still", action=argparse.BooleanOptionalAction, help="read nothing while nothing moves"
    )
    run.add_argument("--output", metavar="FILE", help="where the letters go: - (default), none, or a file")
    run.add_argument("--page", metavar="ADDRESS:PORT", help="live page, e.g. 127.0.0.1:8080")
    run.add_argument("--page-token-file", metavar="FILE", help="token of a page that others can reach")
    run.add_argument("--page-names", metavar="NAMES", help="further names of this board")
    run.add_argument("--picture", action=argparse.BooleanOptionalAction, help="the page shows the picture")
    run.add_argument("--metrics", action=argparse.BooleanOptionalAction, help="Prometheus' /metrics")
    run.add_argument("--mqtt", metavar="URL", help="mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    run.add_argument("--mqtt-name", metavar="NAME", help="of this board in the topics")
    run.add_argument("--mqtt-user", metavar="NAME", help="at the broker")
    run.add_argument("--mqtt-password-file", metavar="FILE", help="at the broker")
    run.add_argument("--mqtt-ca-file", metavar="FILE", help="whose certificates to trust")
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning or error")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", parents=[model], help="a drawn hand spells WORD, the model reads it")
    demo.add_argument("word", metavar="WORD")
    demo.set_defaults(command=_demo)

    teach = commands.add_parser("teach", parents=[model, camera], help="teach this device your own letters")
    teach.add_argument("letters", nargs="?", default="", metavar="LETTERS", help="those that fail, e.g. NRT")
    teach.add_argument("--forget", action="store_true", help="forget all that this model was taught here")
    teach.set_defaults(command=_teach)
    bench = commands.add_parser(
        "bench", parents=[model, camera], help="how fast is it here; a card to compare"
    )
    bench.add_argument(
        "--spinning", action=argparse.BooleanOptionalAction, help="waiting threads burn a core"
    )
    bench.add_argument("--duration", type=float, metavar="S", help="seconds to measure (default 30)")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the card")
    bench.add_argument("--plot", type=Path, metavar="FILE", help="draw it as a PNG (needs matplotlib)")
    bench.add_argument("--tune", action="store_true", help="try every way to run, write the best to --config")
    bench.add_argument(
        "--compare", type=Path, nargs="+", metavar="CARD", help="print cards side by side, measure nothing"
    )
    bench.set_defaults(command=_bench)

    check = commands.add_parser(
        "check", parents=[model], help="may this package run here: files, answer, speed"
    )
    check.add_argument("folder", nargs="?", metavar="DIR", help="deployment package (default: the settings')")
    check.add_argument("--limit-ms", type=float, metavar="N", default=math.inf, help="slowest median reading")
    check.set_defaults(command=_check)

    doctor = commands.add_parser("doctor", parents=[camera], help="what is installed, and does it work")
    doctor.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; flags go over them")
    doctor.add_argument("--model", metavar="DIR", help="deployment package to check")
    doctor.add_argument("--teach-folder", metavar="DIR", help="where what was taught is kept")
    doctor.set_defaults(command=_doctor)
    return parser


def _predict(arguments: argparse.Namespace) -> int:
    from edge.build import build_reader
    from edge.commands.predict import names_of, predict_files

    if not arguments.files:
        raise SettingsError("predict got no files: name pictures, or - to take names from standard input")
    settings = _settings(arguments)
    reader = build_reader(replace(settings, threads=1))
    code = 0
    for answer in predict_files(names_of(arguments.files), reader, at_a_time=settings.threads):
        code = 1 if "error" in answer else code
        say(json.dumps(answer))
    return code


def _run(arguments: argparse.Namespace) -> int:
    from edge.commands.run import serve

    # a terminal that is closed sends SIGHUP, too, and means the end
    serve(lambda: _settings(arguments), reloads=arguments.config is not None and not os.isatty(0))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from edge.build import build_camera, build_components
    from edge.pipeline import run

    word = arguments.word.upper()
    if not (word.isascii() and word.isalpha()):
        raise SettingsError(f"demo spells one word of the letters A to Z, not '{arguments.word}'")
    settings = replace(_settings(arguments), camera=f"synthetic:{word}", fps=DEMO_FPS, output="-")
    settings = replace(settings, flip=False, rotation_deg=0)  # as a settings file may turn a live camera
    stop = threading.Event()
    parts = build_components(settings, stop)
    # every frame, however slow the machine: the demo proves the path, not the speed
    with build_camera(settings, stop, realtime=False) as camera:
        summary = run(camera, parts.reader, parts.letters, parts.sinks, stop, motion_gate=parts.motion_gate)
    say(summary.text)
    if summary.text != word:
        print(f"asl-edge: the word was {word}", file=sys.stderr)
    return 0 if summary.text == word else 1


def _teach(arguments: argparse.Namespace) -> int:
    from edge.commands.teach import forget_taught, teach

    settings = _settings(arguments)
    if arguments.forget:
        if arguments.letters:
            raise TeachError("--forget forgets all that was taught, not single letters: give none with it")
        say(forget_taught(settings))
        return 0
    lesson = teach(settings, arguments.letters, lambda words: print(words, file=sys.stderr))
    say(lesson.sentence)
    return 0 if lesson.helps else 1


def _bench(arguments: argparse.Namespace) -> int:
    from edge.commands.bench import USUAL_CAMERA, USUAL_S, BenchOptions, bench, compare

    if arguments.compare:
        compare(arguments.compare)
        return 0
    if arguments.tune and not arguments.config:
        raise SettingsError("--tune writes to a settings file: name one with --config FILE")
    fresh = arguments.tune and not os.path.exists(arguments.config)  # noqa: PTH110  that never raises
    given = argparse.Namespace(**{**vars(arguments), "config": None if fresh else arguments.config})
    settings = _settings(given)
    if arguments.config is None or fresh:  # without a camera it works, too
        settings = replace(settings, camera=arguments.camera or USUAL_CAMERA)
    duration_s = USUAL_S if arguments.duration is None else arguments.duration
    tuned = arguments.config if arguments.tune else None
    bench(settings, BenchOptions(duration_s, arguments.json, arguments.plot, tuned))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from edge.commands.check import check_package
    from edge.engines import DEFAULT_VARIANT, open_engine
    from edge.package import open_package

    settings = _settings(arguments)
    variant = settings.variant or DEFAULT_VARIANT[settings.engine]
    package = open_package(Path(arguments.folder or settings.model))
    engine = open_engine(settings.engine, package, variant, settings.threads, settings.spinning)
    say(check_package(engine, package, variant, arguments.limit_ms))
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from edge.commands.doctor import examine, examine_camera

    if arguments.camera:
        from edge.build import build_camera

        settings = _settings(arguments)
        with build_camera(settings, threading.Event()) as camera:
            lines, well = examine_camera(camera, settings.fps)
    else:
        lines, well = examine(lambda: _settings(arguments))
    say("\n".join(lines))
    return 0 if well else 1


def _settings(arguments: argparse.Namespace) -> "Settings":
    from edge.settings import Settings, read_settings, with_flags

    given = vars(arguments)
    config = given.get("config")
    settings = read_settings(config) if config else Settings()
    return with_flags(settings, {key: given[key] for key in vars(settings) if key in given})
