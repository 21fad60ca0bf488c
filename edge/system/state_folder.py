"""Where this device keeps what a restart must not lose."""

import os
from pathlib import Path

NO_HOME = Path("/nonexistent")  # Debian's home folder of users without one


def locate_state_folder(setting: str) -> Path:
    """Return the folder that a reboot keeps, which may not exist.

    That is `setting`, personalize.state_dir; if it is empty, systemd's StateDirectory=, or the user's own.
    """
    state_folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(setting or state_folder or _user_folder())


def locate_restart_folder(setting: str) -> Path:
    """Return the state folder, or a service's runtime folder, which a restart keeps and a reboot does not."""
    runtime_folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if runtime_folder and not (setting or "STATE_DIRECTORY" in os.environ):
        return Path(runtime_folder)
    return locate_state_folder(setting).absolute()


def _user_folder() -> Path:
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "asl-edge"
    except RuntimeError:  # a user without a home can read letters, and gets an error only when teaching
        return NO_HOME / "asl-edge"
