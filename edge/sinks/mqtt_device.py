"""A device at an MQTT broker: its name and id, its topics, and how Home Assistant finds it."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import __version__
from edge.system.sysfs import read_text

TOPICS = ("letter", "text", "status", "availability")
# By topic: name, icon, and the template of the sensor's state. Home Assistant allows 255 characters.
SENSORS = {
    "letter": ("Letter", "mdi:hand-front-right", "{{ value_json.letter }}"),
    "text": ("Text", "mdi:format-text", "{{ value[-255:] }}"),
    "status": ("Status", "mdi:hand-wave", "{{ value or 'reading' }}"),
}
# A copied memory card has its original's machine-id, so a processor's serial number comes first.
BOARD_NUMBERS = ("/proc/device-tree/serial-number", "/etc/machine-id")


@dataclass(frozen=True)
class Device:
    """A device by its name, and by the id that stands in its topics."""

    name: str
    id: str

    @property
    def client_id(self) -> str:
        """A broker lets only one client of a client id be connected, so this reserves the device's topics."""
        return f"asl-edge-{self.id}"

    def topic(self, name: str) -> str:
        return f"asl-edge/{self.id}/{name}"

    def discovery_topic(self, topic: str) -> str:
        return f"homeassistant/sensor/asl_edge_{self.id}/{topic}/config"

    def retained_topics(self) -> list[str]:
        """Return all topics that the broker may keep a message of. Home Assistant's come first."""
        return [*map(self.discovery_topic, SENSORS), *map(self.topic, TOPICS)]

    def discoveries(self) -> Iterator[tuple[str, str]]:
        """Yield topic and message of each sensor's discovery."""
        for topic in SENSORS:
            yield self.discovery_topic(topic), json.dumps(self._describe_sensor(topic))

    def renamed(self, own_name: str) -> "Device":
        """Return this board's own device of the same name; a random one if this is the board's already."""
        own = name_device(f"{own_name} {read_board_number()}")
        return own if own.id != self.id else name_device(f"{own_name} {secrets.token_hex(2)}")

    def _describe_sensor(self, topic: str) -> dict[str, Any]:
        """Return the discovery message of a topic's sensor (Home Assistant, "MQTT Discovery")."""
        name, icon, template = SENSORS[topic]
        sensor: dict[str, Any] = {
            "name": name,
            "icon": icon,
            "unique_id": f"asl_edge_{self.id}_{topic}",
            "state_topic": self.topic(topic),
            "value_template": template,
            "availability_topic": self.topic("availability"),
            "device": {
                "identifiers": [f"asl_edge_{self.id}"],
                "name": self.name,
                "model": "asl-edge",
                "sw_version": __version__,
            },
        }
        if topic == "letter":
            sensor["json_attributes_topic"] = self.topic(topic)
        return sensor


def name_device(name: str) -> Device:
    """Return the device of a name. Its id has letters, digits, `-` and `_`."""
    return Device(name, re.sub(r"[^A-Za-z0-9_-]", "_", name))


def read_board_number(root: Path = Path("/")) -> str:
    """Return four characters that differ between boards, and do not tell the serial number."""
    numbers = (read_text(root / path.lstrip("/")).strip("\0\n ") for path in BOARD_NUMBERS)
    number = next(filter(None, numbers), "")
    return hashlib.sha256(f"asl-edge {number}".encode()).hexdigest()[:4]
