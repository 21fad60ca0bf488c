"""Write the result of `bench --tune` into a settings file. All other lines stay, comments included."""

import datetime
import logging
import os
import re
from pathlib import Path

from edge.errors import SettingsError, os_errors_as
from edge.old_settings import to_tables
from edge.settings import SETTINGS, Settings
from edge.settings_file import MAX_BYTES, read_settings
from edge.system.atomic_files import replaced_file
from edge.system.bounded_files import read_bounded

log = logging.getLogger(__name__)

TUNED = [SETTINGS[name] for name in ("variant", "threads", "thread_spinning")]
TABLE = "model"  # contains all three
HEADER = rf"(?m)^[ \t]*\[{TABLE}\]"
NOTE = "# asl-edge bench --tune, "
HEADER_OR_KEY = re.compile(r"(?m)^[ \t]*(\[|[\w\"'-]+[ \t]*=).*$")


def read_text(path: Path) -> str:
    """Return the text of a settings file; "" if it doesn't exist and its folder does.

    Raises SettingsError if the file is invalid or can't be read.
    """
    if not os.path.exists(path) and os.path.isdir(path.parent):  # noqa: PTH110, PTH112  they never raise
        return ""
    read_settings(path)
    return read_bounded(path, MAX_BYTES).decode()


def write_tuned(path: Path, text: str, best: Settings, note: str) -> None:
    """Write `text` to `path` with the tuned settings of `best` in [model], and a comment with the `note`.

    The settings of a flat file, as in asl-edge 0.1, move into tables. Raises SettingsError if writing fails.
    """
    text = re.sub(rf"(?m)^{NOTE}.*\n", "", text)
    if (in_tables := to_tables(text)) != text:
        log.warning("%s: the settings move into tables", path)
        text = in_tables
    if not re.search(HEADER, text):
        text = f"{text.rstrip()}\n\n[{TABLE}]\n".lstrip("\n")
    start, end = _table_span(text)
    lines = text[start:end]
    for setting in TUNED:
        lines = _with_key(lines, setting.key, getattr(best, setting.name))
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = re.sub(r"(?m)^(?=threads = )", f"{NOTE}{today}: {note}\n", lines, count=1)
    with os_errors_as(SettingsError, f"{path} can't be written"), replaced_file(path) as partial:
        partial.write_text(text[:start] + lines + text[end:], encoding="utf-8")
        read_settings(partial, shown=path)  # don't replace a valid file by an invalid one


def _table_span(text: str) -> tuple[int, int]:
    """Return the table's start, at its header, and its end."""
    header = re.search(HEADER, text)
    start, after_header = header.span() if header else (0, 0)
    following = re.compile(r"(?m)^[ \t]*\[").search(text, after_header)
    return start, following.start() if following else len(text)


def _with_key(lines: str, key: str, value: object) -> str:
    """Replace the key's value and keep the comment after it, or add the key after the last key."""
    line = f"{key} = " + (str(value).lower() if isinstance(value, bool | int) else f'"{value}"')
    lines, found = re.subn(rf"(?m)^[ \t]*{key}[ \t]*=[^#\n]*?(?=[ \t]*(#|$))", line, lines)
    if found:
        return lines
    last = list(HEADER_OR_KEY.finditer(lines))[-1].end()
    return f"{lines[:last]}\n{line}{lines[last:] or chr(10)}"
