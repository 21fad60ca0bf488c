"""Tokens and passwords: from a file or a credential of systemd (systemd.exec(5)), never from an argument."""

import os
from pathlib import Path

from edge.errors import SettingsError


def read_secret(key: str, file: str, credential: str) -> str:
    """The text of `file`, or where that is empty of the credential; "" where there is neither.

    `key` names the setting in the error of a file that can't be read.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(file) if file else Path(folder, credential) if folder else None
    if path is None or not (file or path.exists()):
        return ""
    try:
        secret = _text_of(path).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"'{key}' is {path}, which can't be read: {reason.lower()}") from None
    if file and not secret:  # a credential may be empty: the unit asks for all that there can be
        raise SettingsError(f"'{key}' is {path}, which is empty: write the secret into it")
    return secret


def _text_of(path: Path) -> str:
    """A named pipe into which nobody writes is empty; opened as usual it would be waited for, for ever."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(file, True)
    with os.fdopen(file, encoding="utf-8") as opened:
        return opened.read()
