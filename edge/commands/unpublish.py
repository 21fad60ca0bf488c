"""`asl-edge unpublish`: remove what an MQTT broker keeps of this device, for a board that goes."""

import argparse
import contextlib

from edge.commands.flags import add_settings, load_settings
from edge.errors import not_installed
from edge.settings import Settings
from edge.sinks.mqtt import choose_name, find_device
from edge.sinks.mqtt_device import Device
from edge.sinks.mqtt_memory import FILE, read_registration
from edge.system.state_folder import locate_restart_folder
from edge.system.stdout import say

NAMES = ("mqtt", "mqtt_name", "mqtt_user", "mqtt_password_file", "mqtt_ca_file", "state_dir")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, NAMES)


def main(arguments: argparse.Namespace) -> int:
    """Remove the device of --mqtt-name, or else this device and its former one."""
    settings = load_settings(arguments)
    if not settings.mqtt:
        say("mqtt.url is not set: no broker keeps anything of this device")
        return 0
    try:
        from edge.sinks.mqtt_removal import remove_retained
    except ImportError:
        raise not_installed("mqtt.url", "paho-mqtt", "mqtt") from None
    devices = _find_devices(settings, arguments.mqtt_name is not None)
    remove_retained(settings, devices)
    say(f"removed from {settings.mqtt}: {', '.join(device.id for device in devices)}")
    return 0


def _find_devices(settings: Settings, is_named: bool) -> list[Device]:
    """Return the devices to remove: of a name that a flag gives, this device's former one is none."""
    known = None
    with contextlib.suppress(OSError):  # the device was never connected, or its folder is another user's
        known = read_registration(locate_restart_folder(settings.state_dir) / FILE)
    device, former = find_device(choose_name(settings), settings.mqtt, known)
    return [device] if former is None or is_named else [device, former]
