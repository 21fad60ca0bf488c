"""Letter events as JSON lines, for another program: on standard output, or in a file."""

import contextlib
import json
import logging
import os
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NoReturn, TextIO

from edge.errors import SettingsError
from edge.records import LetterEvent

FILE_BYTES, OLD_FILES = 1_000_000, 3  # about ten thousand letters a file


def line_of(event: LetterEvent) -> str:
    """{"letter", "confidence" 0..1, "t_start", "t_end" in seconds, "text"}"""
    values = {
        "letter": event.letter,
        "confidence": round(event.confidence, 4),
        "t_start": round(event.t_start, 3),
        "t_end": round(event.t_end, 3),
        "text": event.text,
    }
    return json.dumps(values)


class JsonLines:
    """One line an event, at once; OSError names the stream. When the reader of the stream has gone, it sets
    `stop`: nobody is left to sign for."""

    def __init__(self, stream: TextIO, stop: threading.Event) -> None:
        self._stream, self._stop = stream, stop

    def __call__(self, event: LetterEvent) -> None:
        try:
            self._stream.write(line_of(event) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._stop.set()
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._stream.name) from None


class JsonFile:
    """Appends to a file, which becomes FILE.1 when it is full, and that FILE.2, and so on; OSError, which
    names it, where the disk fails."""

    def __init__(self, path: Path) -> None:
        try:
            if path.is_fifo():  # whoever opens it waits for a reader, and it can't be renamed when full
                raise SettingsError(f"'output' is {path}, a named pipe: take '-', and > {path} in the shell")
            path.open("a").close()
        except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(f"'output' is {path}, which can't be written: {reason}") from None
        self._file = _Rotated(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", delay=True)

    def __call__(self, event: LetterEvent) -> None:
        try:
            with contextlib.closing(self._file):  # it opens again: the file may be moved away meanwhile
                self._file.emit(logging.makeLogRecord({"msg": line_of(event)}))
        except OSError as error:
            self._file.take_back()
            raise OSError(error.errno, error.strerror, self._file.baseFilename) from None


class _Rotated(RotatingFileHandler):
    _whole_bytes: int | None = None  # of the file, before the newest line

    def _open(self) -> Any:
        stream = super()._open()
        self._whole_bytes = os.fstat(stream.fileno()).st_size
        return stream

    def take_back(self) -> None:
        """What a full disk took of the newest line: the next one would be joined to it."""
        with contextlib.suppress(OSError):
            path = Path(self.baseFilename)
            if self._whole_bytes is not None and path.stat().st_size > self._whole_bytes:
                os.truncate(path, self._whole_bytes)

    def handleError(self, record: logging.LogRecord) -> NoReturn:  # noqa: N802  logging's name
        """The original prints the record to standard error, and with it the letter."""
        raise
