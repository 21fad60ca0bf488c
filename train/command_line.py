"""The command-line scaffold that train and export share."""

import argparse
import io
import sys
from collections.abc import Callable
from typing import NoReturn

from edge.errors import AslEdgeError, lacks_memory
from edge.printable import print_line, shorten


class Parser(argparse.ArgumentParser):
    """A parser that reports a usage error in one line and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: {shorten(message)} (see {self.prog} --help)\n")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Name a flag's default in --help, unless there is none to name."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)


def parse_names(text: str) -> list[str]:
    """Split the value of a flag: 'A, B' -> ['A', 'B']."""
    return [name.strip() for name in text.split(",") if name.strip()]


def run_command(program: str, command: Callable[[], int], if_interrupted: str) -> int:
    """Run `command` and return its exit code: 2 after an AslEdgeError or without memory, 130 after Ctrl-C.

    Each of the two prints one line on standard error that begins with `program`.
    """
    _escape_undecodable_names()
    try:
        return command()
    except AslEdgeError as error:
        print_line(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print_line(f"{program}: interrupted; {if_interrupted}", file=sys.stderr)
        return 130
    except Exception as error:
        if not lacks_memory(error):
            raise
        print_line(f"{program}: there is not enough memory: use a machine with more", file=sys.stderr)
        return 2


def _escape_undecodable_names() -> None:
    """Let standard output escape bytes of a file name that are not UTF-8, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
