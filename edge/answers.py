"""What a command answers, on standard output."""

import os
import sys

from edge.errors import OutputError, reason_of


def say(text: str) -> None:
    """Lines, at once. OutputError where they can't be written; BrokenPipeError where whoever read them has
    enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise OutputError(f"standard output can't be written: {reason_of(error)}") from None


def forget_output() -> None:
    """Python flushes standard output once more at its end; into nothing, then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
