"""Standard output of the commands: a full disk is one sentence, a closed pipe a quiet end."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

from edge.errors import OutputError, reason_of
from edge.printable import printable


def say(*lines: str) -> None:
    """Print lines and flush. Raises OutputError if that fails, BrokenPipeError if the pipe is closed."""
    with _output_errors():
        print(*map(printable, lines), sep="\n", flush=True)


def flush_stdout() -> None:
    """Write what is still buffered, for example letters that a full disk refused. Raises like `say`."""
    with _output_errors():
        sys.stdout.flush()


def fill_closed_streams() -> None:
    """Give the program the streams that its parent has closed, so that no other file takes their numbers.

    Writing to a standard output that was closed is an error, like writing to a full disk.
    """
    for descriptor, name, mode in ((1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, mode)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            setattr(sys, name, os.fdopen(descriptor, "w"))


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
        reason = "it is closed" if error.errno == errno.EBADF else reason_of(error)
        raise OutputError(f"standard output can't be written: {reason}") from None
