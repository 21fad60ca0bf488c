"""Settings: one frozen value, from a TOML file and the flags over it.

camera = "usb:/dev/video0"
hold_s = 0.4
"""

import difflib
import os
import re
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from edge.errors import SettingsError, reason_of
from edge.package import DEFAULT_MODEL, VARIANTS


def default_threads() -> int:
    """One for each core that this process may use, at most 4: more gain nothing on so small a network."""
    return min(4, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Settings:
    """What `asl-edge` can be told; every field is a key of the file, and a flag with - for _."""

    camera: str = "usb:0"
    model: str = str(DEFAULT_MODEL)  # folder of a deployment package
    engine: str = "onnx"
    variant: str = ""  # of the package; empty: the engine's usual one
    threads: int = default_threads()
    spinning: bool = False  # waiting threads burn their core: slightly faster, hotter
    min_confidence: float = 0.0  # letters less sure than this are not read
    hold_s: float = 0.5  # how long a letter must be held
    gap_s: float = 0.25  # how long something else must show before the same letter counts again
    space_s: float = 1.5  # how long no hand must show for a space; 0 means no spaces
    fps: float = 30.0  # frames a second to ask of the camera
    flip: bool = False  # left and right changed, after the turning
    rotation_deg: int = 0  # clockwise, of a camera that is mounted on its side or head
    # JSON lines: "-" to standard output, "none", or a file. Empty is "-", but "none" where standard output is
    # the journal: what people sign is theirs.
    output: str = ""
    rest_when_still: bool = True  # frames are not read while nothing moves: an empty chair is no load
    log_level: str = "info"  # at debug the log holds the letters, too
    page: str = ""  # ADDRESS:PORT of the live page; empty: none
    page_token_file: str = ""  # what the page asks for; empty: systemd's credential page_token
    page_names: str = ""  # further names of this board that a browser may ask for, with spaces between
    picture: bool = True  # the page shows the camera's picture
    metrics: bool = False  # the page's server answers Prometheus under /metrics
    mqtt: str = ""  # mqtt://HOST[:PORT] or mqtts://HOST[:PORT] of the broker; empty: none
    mqtt_name: str = ""  # of this board in topics and in Home Assistant; empty: the host's name
    mqtt_user: str = ""
    mqtt_password_file: str = ""  # empty: systemd's credential mqtt_password, if there is one
    mqtt_ca_file: str = ""  # whose certificates are trusted; empty: those that the system trusts
    teach_folder: str = ""  # where what this device was taught is kept; empty: the usual place


CHOICES: dict[str, tuple[object, ...]] = {
    "engine": ("onnx", "torchscript"),
    "variant": ("", *VARIANTS),
    "rotation_deg": (0, 90, 180, 270),
    "log_level": ("debug", "info", "warning", "error"),
}
RANGES = {
    "threads": (1, 64),
    "min_confidence": (0.0, 1.0),
    "hold_s": (0.05, 10.0),
    "gap_s": (0.05, 10.0),
    "space_s": (0.0, 60.0),
    "fps": (1.0, 240.0),
}
TYPES: dict[str, type] = {field.name: type(field.default) for field in fields(Settings)}
TYPE_WORDS = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def read_settings(path: Path) -> Settings:
    """A TOML file -> Settings. SettingsError names key, file and line."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is no text: a settings file in TOML was wanted") from None
    except ValueError as error:  # bad TOML tells its line itself
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    for key, value in values.items():
        _check(key, value, f"{path} line {_line_of(key, text)}")
    return replace(Settings(), **_typed(values))


def with_flags(settings: Settings, flags: dict[str, Any]) -> Settings:
    """`settings` with every flag that is not None put over it. SettingsError names the flag."""
    given = {key: value for key, value in flags.items() if value is not None}
    for key, value in given.items():
        _check(key, value, f"--{key.replace('_', '-')}")
    return replace(settings, **_typed(given))


def _check(key: str, value: object, where: str) -> None:
    if key not in TYPES:
        near = difflib.get_close_matches(key, TYPES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the keys are {', '.join(TYPES)}"
        raise SettingsError(f"{where}: there is no setting '{key}'; {hint}")
    wanted = TYPES[key]
    right = type(value) is wanted or (wanted is float and type(value) is int)
    if not right:
        raise SettingsError(f"{where}: '{key}' is {value!r}; {TYPE_WORDS[wanted]} was wanted")
    if key in CHOICES and value not in CHOICES[key]:
        choices = ", ".join(str(choice) for choice in CHOICES[key] if choice != "")
        raise SettingsError(f"{where}: '{key}' is {value!r}; it must be one of {choices}")
    if key in RANGES:
        low, high = RANGES[key]
        if not low <= value <= high:  # type: ignore[operator]
            raise SettingsError(f"{where}: '{key}' is {value}; it must be from {low} to {high}")


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: TYPES[key](value) for key, value in values.items()}


def _line_of(key: str, text: str) -> int:
    """tomllib does not tell lines: the first that begins with the key, as `key =`, `key.x =` or `[key]`."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[\].=]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if begins.match(line)), 1)
