"""What a command answers, on standard output."""

import contextlib
import os
import sys
from collections.abc import Iterator

from edge.errors import OutputError, reason_of


def say(text: str) -> None:
    """Lines, at once. OutputError where they can't be written; BrokenPipeError where whoever read them has
    enough."""
    with _written():
        print(text, flush=True)


def say_all() -> None:
    """What was printed so far, as `say` does: letters that a full disk did not take are tried once more."""
    with _written():
        sys.stdout.flush()


@contextlib.contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise OutputError(f"standard output can't be written: {reason_of(error)}") from None


def forget_output() -> None:
    """Python flushes standard output once more at its end; into nothing, then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
