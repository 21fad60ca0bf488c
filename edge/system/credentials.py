"""Read tokens and passwords from a file or a systemd credential (systemd.exec(5)), never from an argument."""

import os
from pathlib import Path

from edge.errors import SettingsError, os_errors_as
from edge.system.bounded_files import read_bounded

MAX_BYTES = 10_000  # a token or password has fewer than 100


def read_secret(key: str, file: str, credential: str) -> str:
    """Return the text of `file`, or of the credential if `file` is ""; "" if there is neither.

    Raises SettingsError, which names the setting `key`, if the file can't be read or is empty.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(file) if file else Path(folder, credential) if folder else None
    if path is None or not (file or path.exists()):
        return ""
    try:
        with os_errors_as(SettingsError, f"{key} is {path}, which can't be read"):
            secret = read_bounded(path, MAX_BYTES).decode().strip()
    except ValueError:
        raise SettingsError(f"{key} is {path}, which is not text: write the secret into it") from None
    if file and not secret:  # a credential may be empty, because the unit names all of them
        raise SettingsError(f"{key} is {path}, which is empty: write the secret into it")
    return secret
