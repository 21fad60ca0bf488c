"""An observer that publishes letters and text over MQTT, with discovery messages for Home Assistant.

asl-edge/NAME/letter        {"letter", "confidence", "t_start", "t_end", "text"}, the newest letter
asl-edge/NAME/text          everything read so far
asl-edge/NAME/status        one sentence on why no letter is read; empty while one is
asl-edge/NAME/availability  online or offline; the broker publishes offline if the board vanishes (last will)

All topics are retained. paho connects and reconnects in its own thread; the loop never waits for it.

Two boards may have one name. A broker ends a client's connection when another one with its client id comes,
so both see that there is another. The one that came last takes a name of its own.
"""

import contextlib
import logging
import math
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import not_installed
from edge.records import Snapshot
from edge.settings import Settings
from edge.sinks.jsonlines import format_event
from edge.sinks.mqtt_device import Device, name_device
from edge.sinks.mqtt_memory import Memory, Registration
from edge.sinks.mqtt_url import parse_broker

log = logging.getLogger(__name__)

KEEPALIVE_S = 15  # without a response for this long, either side considers the connection lost
RETRY_S = (1, 30)  # first and longest pause before a new attempt to connect; doubled each time
# A connection that the broker ends sooner than this, or than twice the pause before it, is short. If several
# follow each other, another client with the same client id takes them over again and again. A broker that
# comes and goes refuses connections in between.
SHORT_S = 10.0
MANY_SHORT = 3
LONGEST_PAUSE_S = 300  # after short connections; doubled each time
MAX_YIELDS = 2  # a broker may give all clients of one user one client id


class Mqtt:
    """Publish each loop step's news. Raises SettingsError for a wrong setting, never for an absent broker.

    `folder` keeps what a restart must know about the device's name.
    """

    def __init__(self, settings: Settings, folder: Path | None = None) -> None:
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise not_installed("mqtt.url", "paho-mqtt", "mqtt") from None
        from edge.sinks.mqtt_client import build_client

        scheme, self._host, self._port = parse_broker(settings.mqtt)
        self._uses_tls = scheme == "mqtts"
        self._url, self._name = settings.mqtt, choose_name(settings)
        self._newest: dict[str, str] = {}  # the newest message of each topic
        self._warned: set[str] = set()  # warnings since the last connection
        self._connected_s = -math.inf
        self._short_connections = 0  # in a row
        self._pause_s = RETRY_S[0]  # before the next connection
        self._yields = 0  # names that were left to another client
        self._client = build_client(settings, "")
        self._memory = Memory(folder)
        self._device, self._former = find_device(self._name, self._url, self._memory.registration)
        self._use_device(self._device)
        self._client.reconnect_delay_set(*RETRY_S)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect

    def __enter__(self) -> "Mqtt":
        self._client.connect_async(self._host, self._port, KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._client.is_connected():
            message = self._client.publish(self._device.topic("availability"), "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # the connection broke meanwhile
                message.wait_for_publish(1)
        self._client.disconnect()
        self._client.loop_stop()
        self._memory.close()

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.step.event is not None:
            self._publish("letter", format_event(snapshot.step.event))
        self._publish("text", snapshot.text)
        # These hints change every second while a person signs; for subscribers they are noise.
        if snapshot.hint.kind not in ("hold", "short"):
            self._publish("status", snapshot.hint.sentence)

    def _publish(self, topic: str, message: str) -> None:
        """Publish a message that changed. Without a connection, keep the newest until there is one."""
        if self._newest.get(topic) == message:
            return
        self._newest[topic] = message
        if self._client.is_connected():
            self._client.publish(self._device.topic(topic), message, retain=True)

    def _use_device(self, device: Device) -> None:
        """Connect as this device from the next time on."""
        self._device = device
        self._client.rename(device.client_id)
        self._client.will_set(device.topic("availability"), "offline", qos=1, retain=True)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Publish discovery, availability and the newest messages. Runs in paho's thread."""
        from edge.sinks.mqtt_client import describe_refusal

        if reason.is_failure:
            self._warn(describe_refusal(reason))
            return
        self._connected_s = time.monotonic()
        log.info("mqtt: connected to %s:%d as %s", self._host, self._port, self._device.id)
        self._warned.clear()
        if self._former is not None:
            for topic in self._former.retained_topics():
                client.publish(topic, "", qos=1, retain=True)
            log.info("mqtt: removed the topics of this device's former name, %s", self._former.id)
            self._former = None
        device = self._device
        for topic, message in device.discoveries():
            client.publish(topic, message, retain=True)
        client.publish(device.topic("availability"), "online", qos=1, retain=True)
        for topic, message in list(self._newest.items()):
            client.publish(device.topic(topic), message, retain=True)
        self._memory.remember(Registration(self._url, self._name, device.name, device.id))

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:
        """Log the error that paho is handling; paho doesn't pass it to this callback."""
        from edge.sinks.mqtt_client import describe_failure

        self._short_connections = 0
        self._warn(describe_failure(sys.exc_info()[1], self._uses_tls))

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:  # this program ended the connection
            return
        lasted_s = time.monotonic() - self._connected_s
        self._connected_s = -math.inf  # until there is a connection again
        if lasted_s < max(SHORT_S, 2 * self._pause_s):
            self._short_connections += 1
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._short_connections, self._pause_s = 0, RETRY_S[0]
        client.reconnect_delay_set(self._pause_s, max(self._pause_s, RETRY_S[1]))
        if self._short_connections >= MANY_SHORT:
            self._yield_name()
        elif not self._warned:  # after a warning there was no connection to lose
            self._warn(f"the connection is lost ({reason})")

    def _yield_name(self) -> None:
        """Take another name, because another client has this one and was there first."""
        taken = self._device.id
        if self._yields == MAX_YIELDS:
            self._warn(
                f"the broker ends every connection at once: if another client has this name, {taken}, set "
                "mqtt.name; if not, let this user publish there"
            )
            return
        self._yields += 1
        self._short_connections, self._pause_s = 0, RETRY_S[0]
        self._use_device(self._device.renamed(self._name))
        self._warn(
            f"another client has this name, {taken}, so this device is {self._device.id}: set mqtt.name"
        )

    def _warn(self, message: str) -> None:
        """Log a warning, but only once until the next connection."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("mqtt: %s:%d: %s; trying again", self._host, self._port, message)


def choose_name(settings: Settings) -> str:
    """Return the name that the settings give this device, or the host's."""
    return settings.mqtt_name or socket.gethostname()


def find_device(name: str, url: str, known: Registration | None) -> tuple[Device, Device | None]:
    """Return the device of a name at a broker, and the former one if its name was another.

    A device that another client made take a name of its own keeps that.
    """
    device = name_device(name)
    if known is None or known.url != url:
        return device, None
    former = Device(known.device_name, known.device_id)
    if known.name == name:
        return former, None
    return device, former if former.id != device.id else None
