"""Read a settings file: TOML tables -> Settings. Each mistake is one sentence with file, line and key.

[camera]
source = "usb:/dev/video0"

[letters]
hold_s = 0.4
"""

import difflib
import re
import sys
from pathlib import Path
from typing import Any

from edge.declaration import Setting
from edge.errors import SettingsError, os_errors_as
from edge.old_settings import translate_flat_key
from edge.settings import SETTINGS, TABLES, Settings, apply
from edge.system.bounded_files import read_bounded

MAX_BYTES = 100_000  # one with every setting and its help has 5,000

# of one line: for a key of n parts, a.b.c, tomllib takes memory that grows with n squared
MAX_DOTS = 300


def read_settings(path: Path, shown: Path | None = None) -> Settings:
    """Return the settings of a TOML file, with defaults for those that it leaves out.

    Errors name the file `shown`, which is `path` by default.
    """
    shown = shown or path
    try:
        with os_errors_as(SettingsError, f"{shown} can't be read"):
            text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")  # without a byte-order mark
        tables = _parse(text)
    except RecursionError:
        raise SettingsError(f"{shown} is not a settings file: its values are nested too deeply") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{shown} is not text: it must be a settings file in TOML") from None
    except ValueError as error:  # names the line
        raise SettingsError(f"{shown} is not valid TOML: {error}") from None
    given: list[tuple[str, str, Any]] = []
    for key, value in tables.items():
        if not isinstance(value, dict):
            given += _flat_setting(key, value, text, shown)
        elif key in TABLES:
            given += [_table_setting(key, inner, value[inner], text, shown) for inner in value]
        else:
            where = f"{shown} line {_line_of(text, key)}"
            near = difflib.get_close_matches(key, TABLES, n=1)
            hint = f"did you mean [{near[0]}]?" if near else _hint(key)
            raise SettingsError(f"{where}: there is no table {key!r}; {hint or _tables()}")
    return apply(Settings(), given)


def _parse(text: str) -> dict[str, Any]:
    if max(line.count(".") for line in text.split("\n")) > MAX_DOTS:
        raise RecursionError
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _table_setting(table: str, key: str, value: Any, text: str, shown: Path) -> tuple[str, str, Any]:
    where = f"{shown} line {_line_of(text, table, key)}"
    keys = {setting.key: setting for setting in SETTINGS.values() if setting.table == table}
    if key in keys:
        return keys[key].name, f"{where}: {table}.{key}", value
    near = difflib.get_close_matches(key, keys, n=1)
    hint = f"did you mean '{near[0]}'?" if near else _hint(key)
    hint = hint or f"the keys of [{table}] are {', '.join(keys)}"
    raise SettingsError(f"{where}: there is no setting {key!r} in [{table}]; {hint}")


def _flat_setting(key: str, value: Any, text: str, shown: Path) -> list[tuple[str, str, Any]]:
    """A setting outside of tables, as in asl-edge 0.1."""
    where = f"{shown} line {_line_of(text, '', key)}"
    translated = translate_flat_key(key, value, str(shown), f"{where}: {key}")
    if translated is None:
        raise SettingsError(f"{where}: there is no setting {key!r}; {_hint(key) or _tables()}")
    return [(name, f"{where}: {key}", new) for name, new in translated]


def _hint(key: str) -> str:
    """Return a question that names the nearest setting of all tables, or "" if none is near."""
    known: dict[str, Setting] = {}
    for setting in SETTINGS.values():
        known |= dict.fromkeys((*setting.old_names, setting.name, setting.key), setting)
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean '{known[near[0]].key}' in [{known[near[0]].table}]?" if near else ""


def _tables() -> str:
    return "the tables are " + ", ".join(f"[{table}]" for table in TABLES)


def _line_of(text: str, table: str, key: str = "") -> int:
    """Return the line of a key in its table, else of the table, else 1. tomllib does not tell lines."""
    key_begins = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
    dotted_begins = re.compile(rf"""\s*["']?{re.escape(table)}["']?\s*[.=]""")
    current, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"""\s*\[+\s*["']?([\w-]+)""", line):
            current = header[1]
            found = number if current == table else found
        elif key and current == table and key_begins.match(line):
            return number
        elif table and not current and dotted_begins.match(line):
            found = number
    return found
