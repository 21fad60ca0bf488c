"""Ctrl-C while the program starts or ends: there is nothing to close yet, or nothing any more."""

import contextlib
import signal
from collections.abc import Iterator


def end_at_ctrl_c() -> bool:
    """Let Ctrl-C end the process at once, without a traceback. Return whether it raised KeyboardInterrupt."""
    raised = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job ignores it
    if raised:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return raised


@contextlib.contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process inside of `with`, and raise KeyboardInterrupt again after it."""
    raised = end_at_ctrl_c() or signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    try:
        yield
    finally:
        if raised:
            signal.signal(signal.SIGINT, signal.default_int_handler)
