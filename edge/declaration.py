"""How a setting is declared, and how a value is checked against its declaration."""

from dataclasses import dataclass, field
from typing import Any

from edge.errors import SettingsError

MAX_SHOWN = 100  # characters of a wrong value
MAX_TEXT = 4096  # characters; the longest path of Linux
TYPE_WORDS = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting."""

    name: str  # attribute of Settings, and the flag with - for _
    type: type
    default: Any
    table: str
    key: str  # in the table
    help: str
    metavar: str | None = None
    choices: tuple[object, ...] = ()
    limits: tuple[float, float] | None = None  # both included
    default_words: str = ""  # in place of a default that depends on the machine, or is empty
    old_names: tuple[str, ...] = ()  # understood for one release

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def path(self) -> str:
        """The key as TOML can write it: letters.release_s."""
        return f"{self.table}.{self.key}"

    @property
    def default_text(self) -> str:
        """The default as a flag takes it, or in words; "" for none."""
        text = str(self.default)
        return self.default_words or (text.lower() if self.type is bool else text)


def setting(path: str, default: Any, help: str, **more: Any) -> Any:
    """Return the dataclass field of a setting: `path` is table.key, `more` are further fields of Setting."""
    table, _, key = path.partition(".")
    return field(default=default, metadata={"table": table, "key": key, "help": help, **more})


def check(setting: Setting, subject: str, value: object) -> Any:
    """Return the value in the setting's type. Raises SettingsError that begins with `subject`."""
    is_whole_number = setting.type is float and type(value) is int
    if type(value) is not setting.type and not is_whole_number:
        raise SettingsError(f"{subject} must be {TYPE_WORDS[setting.type]}, got {format_value(value)}")
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
        raise SettingsError(f"{subject} must be at most {MAX_TEXT} characters without a null character")
    if setting.choices and value not in setting.choices:
        choices = ", ".join(map(str, setting.choices))
        raise SettingsError(f"{subject} must be one of {choices}, got {format_value(value)}")
    if setting.limits:
        low, high = setting.limits
        if not low <= value <= high:  # type: ignore[operator]  # NaN is refused, too
            raise SettingsError(f"{subject} must be from {low:g} to {high:g}, got {format_value(value)}")
    return setting.type(value)


def format_value(value: object) -> str:
    """Return the value as a settings file shows it, the beginning of a long one."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value) if isinstance(value, str | list) else str(value)
    except (ValueError, RecursionError):  # Python doesn't format integers of more than 4,300 digits
        return "a number that is too large"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
