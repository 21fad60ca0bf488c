"""Sinks that write letter events as JSON lines for other programs, to standard output or to a file."""

import contextlib
import errno
import json
import logging
import os
import stat
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn, TextIO

from edge.errors import SettingsError, reason_of
from edge.records import LetterEvent

FILE_BYTES, OLD_FILES = 1_000_000, 3  # about ten thousand letters per file
FILE_MODE = 0o640  # what people sign is read by the owner, and by programs that were put into the group
IS_PIPE = "it is a named pipe, not a file"


def format_event(event: LetterEvent) -> str:
    """Return the event as JSON: {"letter", "confidence" 0..1, "t_start" s, "t_end" s, "text"}."""
    values = {
        "letter": event.letter,
        "confidence": round(event.confidence, 4),
        "t_start": round(event.t_start, 3),
        "t_end": round(event.t_end, 3),
        "text": event.text,
    }
    return json.dumps(values)


class JsonLines:
    """Write each event to a stream at once. Set `stop` when the stream's reader has closed it.

    Raises an OSError that names the stream if writing fails otherwise.
    """

    def __init__(self, stream: TextIO, stop: threading.Event) -> None:
        self._stream, self._stop = stream, stop

    def __call__(self, event: LetterEvent) -> None:
        try:
            self._stream.write(format_event(event) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._stop.set()
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._stream.name) from None


class JsonFile:
    """Append each event to a file. A full FILE is renamed to FILE.1, FILE.1 to FILE.2, and so on.

    Raises SettingsError if the file can't be written at first, and later an OSError that names the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            os.close(_open_to_append(str(path)))
        except OSError as error:
            advice = f"; use '-' and > {path} in the shell instead" if error.errno == errno.EINVAL else ""
            raise SettingsError(
                f"letters.output is {path}, which can't be written: {reason_of(error)}{advice}"
            ) from None
        except ValueError as error:  # the name contains a null byte
            raise SettingsError(f"letters.output is {path}, which can't be written: {error}") from None
        self._file = _RotatedFile(
            path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True
        )

    def __call__(self, event: LetterEvent) -> None:
        try:
            with contextlib.closing(self._file):  # reopened for each event, because others may move the file
                self._file.emit(logging.makeLogRecord({"msg": format_event(event)}))
        except OSError as error:
            self._file.truncate_partial_line()
            raise OSError(error.errno, error.strerror, self._file.baseFilename) from None


def _open_to_append(path: str) -> int:
    """Return a descriptor of the file, which is created if need be.

    Raises OSError for a named pipe: writing to it blocks while its reader is slow, and it can't be rotated.
    """
    # without O_NONBLOCK, opening a named pipe blocks until it has a reader
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as error:
        if error.errno != errno.ENXIO:  # a named pipe without a reader
            raise
        raise OSError(errno.EINVAL, IS_PIPE, path) from None
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, IS_PIPE, path)
    return descriptor


class _RotatedFile(RotatingFileHandler):
    _size_before: int | None = None  # bytes in the file before the newest line

    def _open(self) -> Any:
        descriptor = _open_to_append(self.baseFilename)
        self._size_before = os.fstat(descriptor).st_size
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def truncate_partial_line(self) -> None:
        """Remove the partial line that a full disk left; otherwise the next line would continue it."""
        with contextlib.suppress(OSError):
            path = Path(self.baseFilename)
            if self._size_before is not None and path.stat().st_size > self._size_before:
                os.truncate(path, self._size_before)

    def handleError(self, record: logging.LogRecord) -> NoReturn:  # noqa: N802  logging's name
        """Re-raise. The inherited method prints the record, and with it the letter, to standard error."""
        raise
