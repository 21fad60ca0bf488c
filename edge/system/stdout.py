"""Standard output of the commands: a full disk is one sentence, a closed pipe a quiet end."""

import contextlib
import os
import sys
from collections.abc import Iterator

from edge.errors import OutputError, reason_of


def say(text: str) -> None:
    """Print and flush. Raises OutputError if that fails, BrokenPipeError if the pipe is closed."""
    with _output_errors():
        print(text, flush=True)


def flush_stdout() -> None:
    """Write what is still buffered, for example letters that a full disk refused. Raises like `say`."""
    with _output_errors():
        sys.stdout.flush()


def discard_stdout() -> None:
    """Send standard output to /dev/null, because Python flushes it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise OutputError(f"standard output can't be written: {reason_of(error)}") from None
