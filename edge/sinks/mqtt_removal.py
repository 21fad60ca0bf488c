"""Remove what an MQTT broker keeps of devices: their retained messages."""

import sys
import threading
from collections.abc import Sequence
from typing import Any

from edge.errors import SettingsError
from edge.settings import Settings
from edge.sinks.mqtt_client import build_client, describe_failure, describe_refusal
from edge.sinks.mqtt_device import Device
from edge.sinks.mqtt_url import parse_broker

KEEPALIVE_S = 15
TIMEOUT_S = 20.0  # for the connection, and for the broker to confirm


def remove_retained(settings: Settings, devices: Sequence[Device]) -> None:
    """Publish an empty message at every topic of the devices, which removes what the broker keeps there.

    Raises SettingsError if the broker can't be reached, refuses, or does not confirm.
    """
    scheme, host, port = parse_broker(settings.mqtt)
    client = build_client(settings, f"{devices[0].client_id}-unpublish")
    settled, failure = threading.Event(), f"the broker does not answer within {TIMEOUT_S:g} s"

    def on_connect(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        nonlocal failure
        failure = describe_refusal(reason) if reason.is_failure else ""
        settled.set()

    def on_connect_fail(client: Any, userdata: Any) -> None:
        nonlocal failure
        failure = describe_failure(sys.exc_info()[1], scheme == "mqtts")
        settled.set()

    client.on_connect, client.on_connect_fail = on_connect, on_connect_fail
    client.connect_async(host, port, KEEPALIVE_S)
    client.loop_start()
    try:
        settled.wait(TIMEOUT_S)
        if failure:
            raise SettingsError(f"mqtt: {host}:{port}: {failure}")
        topics = [topic for device in devices for topic in device.retained_topics()]
        messages = [client.publish(topic, "", qos=1, retain=True) for topic in topics]
        for message in messages:
            message.wait_for_publish(TIMEOUT_S)
            if not message.is_published():
                raise SettingsError(
                    f"mqtt: {host}:{port}: the broker does not confirm within {TIMEOUT_S:g} s"
                )
    except (RuntimeError, ValueError):  # the connection broke meanwhile
        raise SettingsError(f"mqtt: {host}:{port}: the broker ended the connection: try again") from None
    finally:
        client.disconnect()
        client.loop_stop()
