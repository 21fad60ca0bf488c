"""Settings as asl-edge 0.1 named them, understood in 0.2 with a warning. Delete this module in 0.3."""

import functools
import logging
import re
from typing import Any

from edge.declaration import format_value
from edge.errors import SettingsError
from edge.settings import SETTINGS, TABLES

log = logging.getLogger(__name__)

NEW_NAMES = {old: setting.name for setting in SETTINGS.values() for old in setting.old_names}
# The variant decides which engine runs it. onnx was the default, and says nothing about the variant.
ENGINES: dict[str, list[tuple[str, Any]]] = {"onnx": [], "torchscript": [("variant", "dynamic")]}


def translate_flat_key(key: str, value: Any, file: str, subject: str) -> list[tuple[str, Any]] | None:
    """Return the settings (name, value) of a key outside of tables, or None if there is no such setting.

    `subject` begins the error, `file` the warning.
    """
    name = NEW_NAMES.get(key, key)
    if name not in SETTINGS:
        return None
    setting = SETTINGS[name]
    new = f"'{setting.key}' " if setting.key != key else ""
    _warn(f"{file}: '{key}' is now {new}in the table [{setting.table}]; version 0.3 refuses the old form")
    if (key, value) == ("variant", ""):  # the default variant
        return []
    return _from_engine(value, subject) if key == "engine" else [(name, value)]


def translate_flag(old_name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the settings (name, value) of an old flag."""
    setting = SETTINGS[NEW_NAMES[old_name]]
    flag = "--" + old_name.replace("_", "-")
    _warn(f"{flag} is now {setting.flag}; version 0.3 refuses the old flag")
    return _from_engine(value, flag) if old_name == "engine" else [(setting.name, value)]


def to_tables(text: str) -> str:
    """Return the text of a settings file with its flat keys in tables; a comment moves with the key below it.

    `engine` is left out, because the variant decides it.
    """
    header = re.search(r"(?m)^[ \t]*\[", text)
    flat, tables = (text[: header.start()], text[header.start() :]) if header else (text, "")
    stays: list[str] = []
    comments: list[str] = []
    moves: dict[str, list[str]] = {}
    for line in flat.splitlines():
        key_and_value = re.match(r"""\s*["']?([\w-]+)["']?\s*=\s*(.*)""", line)
        if key_and_value and not key_and_value[2].startswith("{"):
            key, value = key_and_value.groups()
            setting = SETTINGS[NEW_NAMES.get(key, key)]
            lines = [*comments, *([] if key == "engine" else [f"{setting.key} = {value}"])]
            moves.setdefault(setting.table, []).extend(lines)
            comments = []
        elif line.lstrip().startswith("#"):
            comments.append(line)
        else:
            stays += [*comments, line]
            comments = []
    parts = ["\n".join(stays)]
    tables = "\n".join([*comments, tables])
    for table in filter(moves.get, TABLES):
        block = "\n".join([f"[{table}]", *moves[table]])
        if same := re.search(rf"(?m)^[ \t]*\[{table}\]", tables):
            tables = tables[: same.start()] + block + tables[same.end() :]
        else:
            parts.append(block)
    joined = "\n\n".join(part.strip("\n") for part in [*parts, tables] if part.strip())
    return re.sub(r"\n{3,}", "\n\n", joined) + "\n" if moves else text


@functools.cache
def _warn(message: str) -> None:
    """Warn once, also if a settings file is read again."""
    log.warning(message)


def _from_engine(value: Any, subject: str) -> list[tuple[str, Any]]:
    if not isinstance(value, str) or value not in ENGINES:
        raise SettingsError(f"{subject} must be one of {', '.join(ENGINES)}, got {format_value(value)}")
    return ENGINES[value]
