"""Settings as asl-edge 0.1 named them, understood in 0.2 with a warning. Delete this module in 0.3."""

import functools
import logging
from typing import Any

from edge.errors import SettingsError
from edge.settings import SETTINGS

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
    _warn(
        f"{file}: '{key}' is now '{setting.key}' in the table [{setting.table}]; "
        "only this release still reads the old form"
    )
    if (key, value) == ("variant", ""):  # the default variant
        return []
    return _from_engine(value, subject) if key == "engine" else [(name, value)]


def translate_flag(old_name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the settings (name, value) of an old flag."""
    setting = SETTINGS[NEW_NAMES[old_name]]
    flag = "--" + old_name.replace("_", "-")
    _warn(f"{flag} is now {setting.flag}; only this release still takes the old flag")
    return _from_engine(value, flag) if old_name == "engine" else [(setting.name, value)]


@functools.cache
def _warn(message: str) -> None:
    """Warn once, also if a settings file is read again."""
    log.warning(message)


def _from_engine(value: Any, subject: str) -> list[tuple[str, Any]]:
    if not isinstance(value, str) or value not in ENGINES:
        raise SettingsError(f"{subject} must be one of {', '.join(ENGINES)}, got {value!r}")
    return ENGINES[value]
