"""What a device remembers of its broker, so that a new name leaves nothing of the old one behind."""

import fcntl
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import reason_of
from edge.system.bounded_files import parse_json, read_bounded

FILE = "mqtt.json"
MAX_BYTES = 10_000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """A device that was connected to a broker."""

    url: str
    name: str  # that the settings gave it
    device_name: str  # another one if another client had that name
    device_id: str


class Memory:
    """The newest registration, in a file of a folder that a restart keeps.

    While a program runs it keeps the file locked; another one with the same folder remembers nothing, so
    that it does not take the other's device for its own former one.
    """

    def __init__(self, folder: Path | None) -> None:
        self.registration: Registration | None = None
        self._descriptor: int | None = None
        if folder is None:
            return
        path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                return
            self._descriptor = descriptor
            self.registration = read_registration(path)
        except OSError as error:
            log.info(
                "mqtt: a change of the name leaves the old topics, because %s: %s", path, reason_of(error)
            )

    def remember(self, registration: Registration) -> None:
        """Write the registration if it is new."""
        if self._descriptor is None or registration == self.registration:
            return
        self.registration = registration
        try:
            data = json.dumps(asdict(registration)).encode()
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, data, 0)
        except OSError as error:
            log.info("mqtt: the name can't be remembered: %s", reason_of(error))

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_registration(path: Path) -> Registration | None:
    """Return what a file holds, None if that is nothing of use. Raises OSError if it can't be read."""
    try:
        value = parse_json(read_bounded(path, MAX_BYTES))
        registration = Registration(**value)
    except (ValueError, TypeError):
        return None
    return registration if all(isinstance(each, str) for each in asdict(registration).values()) else None
