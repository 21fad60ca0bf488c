"""What the command lines of train and export have in common."""

import argparse
import io
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line, and ends with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: {message} (see {self.prog} --help)\n")


def names(text: str) -> list[str]:
    """'A, B' of a flag -> ['A', 'B']."""
    return [name.strip() for name in text.split(",") if name.strip()]


def print_any_name() -> None:
    """Standard output escapes stray bytes in a file's name (no UTF-8), as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
