"""The flags that are settings, made from their declarations in edge/settings.py."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.declaration import Setting
from edge.old_settings import NEW_NAMES, translate_flag
from edge.settings import SETTINGS, Settings, apply
from edge.settings_file import read_settings

MODEL = ("model", "variant", "provider", "signers", "threads", "min_confidence", "state_dir")
CAMERA = ("camera", "fps", "hflip", "rotation_deg")


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add --config and the flags of the named settings; flags that aren't given are None."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; flags override them")
    for name in names:
        setting = SETTINGS[name]
        default = f" (default: {setting.default_text})" if setting.default_text else ""
        _add_flag(parser, setting, setting.flag, (setting.help + default).replace("%", "%%"))
        for old in setting.old_names:
            _add_flag(parser, setting, "--" + old.replace("_", "-"), argparse.SUPPRESS)


def load_settings(arguments: argparse.Namespace, **changes: Any) -> Settings:
    """Return the settings of --config, the flags over them, `changes` over both."""
    settings = read_settings(arguments.config) if arguments.config else Settings()
    return replace(with_flags(settings, vars(arguments)), **changes)


def with_flags(settings: Settings, flags: dict[str, Any]) -> Settings:
    """Return `settings` with every flag that is not None over it. SettingsError names the flag."""
    given: list[tuple[str, str, Any]] = []
    for name, value in flags.items():
        if value is None:
            continue
        if name in SETTINGS:
            given.append((name, SETTINGS[name].flag, value))
        elif name in NEW_NAMES:
            flag = "--" + name.replace("_", "-")
            given += [(new, flag, translated) for new, translated in translate_flag(name, value)]
    return apply(settings, given)


def _add_flag(parser: argparse.ArgumentParser, setting: Setting, flag: str, help_text: str) -> None:
    if setting.type is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=help_text)
    else:
        parser.add_argument(flag, type=setting.type, metavar=setting.metavar, help=help_text)
