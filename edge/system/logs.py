"""Log lines on standard error, in a form of their own if systemd's journal reads them."""

import logging
import os
from typing import Any

from edge.printable import printable, shorten

# syslog(3) priorities, which journald reads from the beginning of a line: "<6>text" (sd-daemon(3))
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
STDOUT, STDERR = 1, 2


def start_log() -> None:
    """Send warnings and errors to standard error; `asl-edge run` sets the level of its settings later."""
    handler = logging.StreamHandler()
    to_journal = leads_to_journal(STDERR)  # the journal adds the program's name itself
    handler.setFormatter(_Prioritised() if to_journal else _Printable("asl-edge: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def leads_to_journal(descriptor: int) -> bool:
    """Return whether the descriptor is connected to journald.

    JOURNAL_STREAM holds the device and inode of journald's stream (systemd.exec(5)).
    """
    try:
        stream = os.fstat(descriptor)
    except OSError:  # closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _Printable(logging.Formatter):
    """Each message is one line; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        record.message = shorten(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


class _Prioritised(_Printable):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{PRIORITIES.get(record.levelno, 6)}>"
        return prefix + super().format(record).replace("\n", f"\n{prefix}")
