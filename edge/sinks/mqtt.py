"""Letters and text for other programs, over MQTT; Home Assistant makes its sensors from what stands here.

asl-edge/NAME/letter        {"letter", "confidence", "t_start", "t_end", "text"}, the newest one
asl-edge/NAME/text          everything read so far
asl-edge/NAME/status        why no letter comes, in one sentence; empty while one does
asl-edge/NAME/availability  online, or offline when the board is gone (the broker says it: the last will)

All are retained. paho's own thread connects, and connects again for ever; the loop leaves the newest state.
"""

import contextlib
import json
import logging
import re
import socket
import ssl
import sys
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from edge import __version__
from edge.errors import SettingsError, not_installed
from edge.records import Snapshot
from edge.settings import Settings
from edge.sinks.jsonlines import line_of
from edge.system.credentials import read_secret

log = logging.getLogger(__name__)

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE_S = 15  # without an answer for so long the broker is gone, and the broker says that we are
RETRY_S = (1, 30)  # between two tries to connect, doubled each time
# By OpenSSL's verify codes (X509_V_ERR_..., openssl-verification-options(1)); else the authority is unknown.
CERTIFICATE_HINTS = {
    9: "check this board's clock",  # not yet valid: a board without a battery wakes up in the past
    10: "the broker needs a new one, or this board's clock is wrong",
    62: "give the name that it was made for",
    64: "give the name that it was made for",  # the same of an address
}
# By topic: name, icon, what Home Assistant shows of the message; a state has at most 255 characters there.
SENSORS = {
    "letter": ("Letter", "mdi:hand-front-right", "{{ value_json.letter }}"),
    "text": ("Text", "mdi:format-text", "{{ value[-255:] }}"),
    "status": ("Status", "mdi:hand-wave", "{{ value or 'reading' }}"),
}


class Mqtt:
    """An observer of the loop. SettingsError where a setting is no good; a broker that is away is none."""

    def __init__(self, settings: Settings) -> None:
        try:
            import paho.mqtt.client as paho
        except ImportError:
            raise not_installed("'mqtt'", "paho-mqtt", "mqtt") from None
        scheme, self._host, self._port = broker_of(settings.mqtt)
        self._name = settings.mqtt_name or socket.gethostname()
        self._id = re.sub(r"[^A-Za-z0-9_-]", "_", self._name)
        self._newest: dict[str, str] = {}  # by topic, what was or is to be said last
        self._said_wrong: set[str] = set()  # since the last connection
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"asl-edge-{self._id}", clean_session=True
        )
        self._client.will_set(self._topic("availability"), "offline", qos=1, retain=True)
        password = read_secret("mqtt_password_file", settings.mqtt_password_file, "mqtt_password")
        if settings.mqtt_user or password:
            self._client.username_pw_set(settings.mqtt_user or "asl-edge", password or None)
        self._tls = scheme == "mqtts"
        if settings.mqtt_ca_file and not self._tls:
            raise SettingsError(f"'mqtt_ca_file' is of no use with {settings.mqtt}: mqtts:// was wanted")
        if self._tls:
            self._client.tls_set_context(_trusting(settings.mqtt_ca_file))
        self._client.reconnect_delay_set(*RETRY_S)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._failed
        self._client.on_disconnect = self._disconnected

    def __enter__(self) -> "Mqtt":
        self._client.connect_async(self._host, self._port, KEEPALIVE_S)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._client.is_connected():
            told = self._client.publish(self._topic("availability"), "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # the connection broke in this very moment
                told.wait_for_publish(1)
        self._client.disconnect()
        self._client.loop_stop()

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.step.event is not None:
            self._tell("letter", line_of(snapshot.step.event))
        self._tell("text", snapshot.text)
        # a person at work sees these come and go in seconds; to others they are noise
        if snapshot.hint.kind not in ("hold", "short"):
            self._tell("status", snapshot.hint.sentence)

    def _tell(self, topic: str, message: str) -> None:
        """Where it changed. While the broker is away it is kept, and the newest goes out on its return."""
        if self._newest.get(topic) == message:
            return
        self._newest[topic] = message
        if self._client.is_connected():
            self._client.publish(self._topic(topic), message, retain=True)

    def _topic(self, name: str) -> str:
        return f"asl-edge/{self._id}/{name}"

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """In paho's thread, at the first connection and at each that follows."""
        if reason.is_failure:
            self._warn(f"the broker refuses us: {reason}; check mqtt_user and mqtt_password_file")
            return
        log.info("the broker %s:%d has us", self._host, self._port)
        self._said_wrong.clear()
        for topic in SENSORS:
            discovery = f"homeassistant/sensor/asl_edge_{self._id}/{topic}/config"
            client.publish(discovery, json.dumps(self._sensor(topic)), retain=True)
        client.publish(self._topic("availability"), "online", qos=1, retain=True)
        for topic, message in list(self._newest.items()):
            client.publish(self._topic(topic), message, retain=True)

    def _failed(self, client: Any, userdata: Any) -> None:
        """paho calls it where it caught the error, and does not give it."""
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = CERTIFICATE_HINTS.get(error.verify_code, "give mqtt_ca_file")
            self._warn(f"its certificate is not trusted ({error.verify_message}): {hint}")
        elif isinstance(error, ssl.SSLError) or (self._tls and isinstance(error, ConnectionResetError)):
            self._warn(f"it breaks off where TLS begins ({error.strerror}): check the port, or take mqtt://")
        else:
            self._warn(f"it can't be reached ({getattr(error, 'strerror', None) or error})")

    def _disconnected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure and not self._said_wrong:  # else it never was one
            self._warn(f"the connection is lost ({reason})")

    def _warn(self, message: str) -> None:
        """Each once, until it was connected."""
        if message not in self._said_wrong:
            self._said_wrong.add(message)
            log.warning("mqtt: %s:%d: %s; it is tried again", self._host, self._port, message)

    def _sensor(self, topic: str) -> dict[str, Any]:
        """What Home Assistant's MQTT discovery wants to know of a sensor."""
        name, icon, template = SENSORS[topic]
        sensor: dict[str, Any] = {
            "name": name,
            "icon": icon,
            "unique_id": f"asl_edge_{self._id}_{topic}",
            "state_topic": self._topic(topic),
            "value_template": template,
            "availability_topic": self._topic("availability"),
            "device": {
                "identifiers": [f"asl_edge_{self._id}"],
                "name": self._name,
                "model": "asl-edge",
                "sw_version": __version__,
            },
        }
        if topic == "letter":
            sensor["json_attributes_topic"] = self._topic(topic)
        return sensor


def broker_of(url: str) -> tuple[str, str, int]:
    """mqtt://HOST[:PORT] or mqtts://... -> scheme, host, port. SettingsError for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # of a port or of brackets
        parts, port = urlsplit(url.partition("://")[0] + "://" if "://" in url else ""), -1
    plain = not (parts.path.strip("/") or parts.query or parts.username or parts.password)
    if parts.scheme not in PORTS or not parts.hostname or port == -1 or not plain:
        shown = f"{parts.scheme}://..." if "@" in url else url  # never a password into a log
        raise SettingsError(
            f"'mqtt' is {shown!r}; mqtt://HOST:PORT or mqtts://HOST:PORT was wanted, "
            "user and password stand in mqtt_user and mqtt_password_file"
        )
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError) else "it holds no certificate"
        raise SettingsError(f"'mqtt_ca_file' is {ca_file}, which can't be used: {reason}") from None
