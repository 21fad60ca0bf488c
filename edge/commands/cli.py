"""The command line `asl-edge COMMAND ...`. Each command is the file of its name in this folder.

A command's file, and the heavy libraries that it imports, are imported when that command is chosen.
"""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from typing import Any, NoReturn

from edge import __version__
from edge.errors import AslEdgeError, CameraBlind, lacks_memory
from edge.printable import shorten
from edge.system.interrupts import end_at_ctrl_c, ended_by_ctrl_c
from edge.system.logs import start_log
from edge.system.stdout import discard_stdout, fill_closed_streams, flush_stdout

log = logging.getLogger(__name__)

COMMANDS = {
    "predict": "picture files -> one JSON line each",
    "run": "camera -> one JSON line for each letter that is held",
    "demo": "a drawn hand spells WORD, and the model reads it",
    "teach": "teach this device your own letters",
    "bench": "measure the speed on this device, and compare devices",
    "check": "check whether a package can run and read here: files, golden answers, speed",
    "unpublish": "remove what an MQTT broker keeps of this device",
    "doctor": "check the installation, the model and the cameras",
}
CAMERA_BLIND = 3  # exit code: the camera went blind for minutes, and may see again after a restart


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"asl-edge: {shorten(message)} (see {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        try:  # the reader of --help or --version may have closed the pipe
            sys.stdout.flush()
        except OSError:
            discard_stdout()
        super().exit(status, message)


class _CommandParser(_Parser):
    """The parser of one command. Its file is imported when the command line names it."""

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        command = importlib.import_module(f"edge.commands.{self.prog.split()[-1]}")
        command.add_arguments(self)
        self.set_defaults(main=command.main)
        return super().parse_known_args(*args, **options)


def main(argv: list[str] | None = None) -> int:
    """Run a command. Return 0 if all is well, 1 for a bad result, 2 or 3 after one sentence on stderr."""
    fill_closed_streams()
    start_log()
    # OpenCV and FFmpeg would print lines of their own beside our sentence
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        with ended_by_ctrl_c():  # imports would turn an interruption into errors of their own
            arguments = _parser().parse_args(argv)
        code: int = arguments.main(arguments)
        flush_stdout()
        return code
    except AslEdgeError as error:
        log.error("%s", error)
        return CAMERA_BLIND if isinstance(error, CameraBlind) else 2
    except BrokenPipeError:  # the reader has closed the pipe
        discard_stdout()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if not lacks_memory(error):
            raise
        log.error("there is not enough memory: close other programs, or use a machine with more")
        return 2


def program() -> NoReturn:
    """Run main() and exit, even if a camera's thread hangs in its device.

    Python aborts if such a thread comes back from OpenCV while the interpreter shuts down.
    """
    code = main()
    end_at_ctrl_c()
    if any(thread.name.startswith("camera ") for thread in threading.enumerate()):
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="asl-edge", description="Reads the American Sign Language alphabet, on the device.")
    parser.add_argument("--version", action="version", version=f"asl-edge {__version__}")
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", title="commands", parser_class=_CommandParser
    )
    for name, help_text in COMMANDS.items():
        commands.add_parser(name, help=help_text, description=help_text)
    return parser
