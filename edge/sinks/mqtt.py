"""An observer that publishes letters and text over MQTT, with discovery messages for Home Assistant.

asl-edge/NAME/letter        {"letter", "confidence", "t_start", "t_end", "text"}, the newest letter
asl-edge/NAME/text          everything read so far
asl-edge/NAME/status        one sentence on why no letter is read; empty while one is
asl-edge/NAME/availability  online or offline; the broker publishes offline if the board vanishes (last will)

All topics are retained. paho connects and reconnects in its own thread; the loop never waits for it.
"""

import contextlib
import json
import logging
import re
import socket
import ssl
import sys
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from edge import __version__
from edge.errors import SettingsError, not_installed, os_errors_as
from edge.records import Snapshot
from edge.settings import Settings
from edge.sinks.jsonlines import format_event
from edge.system.bounded_files import read_bounded
from edge.system.credentials import read_secret

log = logging.getLogger(__name__)

PORTS = {"mqtt": 1883, "mqtts": 8883}
MAX_CA_BYTES = 1_000_000  # all certificates of a Debian have 220,000
# A broker only acknowledges, because nothing is subscribed. paho would keep 256 MB of anything else.
MAX_REPLY_BYTES = 2
KEEPALIVE_S = 15  # without a response for this long, either side considers the connection lost
RETRY_S = (1, 30)  # first and longest pause before a new attempt to connect; doubled each time
# By OpenSSL's verify code (X509_V_ERR_..., openssl-verification-options(1)). Any other code means that the
# certificate authority is unknown.
CERTIFICATE_HINTS = {
    9: "check this board's clock",  # not yet valid: without a battery the clock starts in the past
    10: "the broker needs a new certificate, or this board's clock is wrong",
    62: "use the host name in the certificate",
    64: "use the host name in the certificate",  # the same for an IP address
}
# By topic: name, icon, and the template of the sensor's state. Home Assistant allows 255 characters.
SENSORS = {
    "letter": ("Letter", "mdi:hand-front-right", "{{ value_json.letter }}"),
    "text": ("Text", "mdi:format-text", "{{ value[-255:] }}"),
    "status": ("Status", "mdi:hand-wave", "{{ value or 'reading' }}"),
}


class Mqtt:
    """Publish each loop step's news. Raises SettingsError for a wrong setting, never for an absent broker."""

    def __init__(self, settings: Settings) -> None:
        try:
            import paho.mqtt.client as paho
        except ImportError:
            raise not_installed("mqtt.url", "paho-mqtt", "mqtt") from None
        scheme, self._host, self._port = parse_broker(settings.mqtt)
        self._name = settings.mqtt_name or socket.gethostname()
        self._id = re.sub(r"[^A-Za-z0-9_-]", "_", self._name)
        self._newest: dict[str, str] = {}  # the newest message of each topic
        self._warned: set[str] = set()  # warnings since the last connection

        class Client(paho.Client):
            def _sock_recv(self, bufsize: int) -> bytes:
                if bufsize > MAX_REPLY_BYTES:
                    raise ConnectionError
                return super()._sock_recv(bufsize)

        self._client = Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"asl-edge-{self._id}", clean_session=True
        )
        self._client.will_set(self._topic("availability"), "offline", qos=1, retain=True)
        password = read_secret("mqtt.password_file", settings.mqtt_password_file, "mqtt_password")
        if not _is_utf8(settings.mqtt_user):
            raise SettingsError(f"mqtt.user must be text in UTF-8, got {settings.mqtt_user!r}")
        if settings.mqtt_user or password:
            self._client.username_pw_set(settings.mqtt_user or "asl-edge", password or None)
        self._tls = scheme == "mqtts"
        if settings.mqtt_ca_file and not self._tls:
            raise SettingsError(
                f"mqtt.ca_file needs TLS: mqtt.url must begin with mqtts://, got {settings.mqtt}"
            )
        if self._tls:
            self._client.tls_set_context(_tls_context(settings.mqtt_ca_file))
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
            message = self._client.publish(self._topic("availability"), "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # the connection broke meanwhile
                message.wait_for_publish(1)
        self._client.disconnect()
        self._client.loop_stop()

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
            self._client.publish(self._topic(topic), message, retain=True)

    def _topic(self, name: str) -> str:
        return f"asl-edge/{self._id}/{name}"

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Publish discovery, availability and the newest messages. Runs in paho's thread."""
        if reason.is_failure:
            self._warn(
                f"the broker refuses the connection ({reason}): check mqtt.user and mqtt.password_file"
            )
            return
        log.info("mqtt: connected to %s:%d", self._host, self._port)
        self._warned.clear()
        for topic in SENSORS:
            discovery = f"homeassistant/sensor/asl_edge_{self._id}/{topic}/config"
            client.publish(discovery, json.dumps(self._sensor(topic)), retain=True)
        client.publish(self._topic("availability"), "online", qos=1, retain=True)
        for topic, message in list(self._newest.items()):
            client.publish(self._topic(topic), message, retain=True)

    def _on_connect_fail(self, client: Any, userdata: Any) -> None:
        """Log the error that paho is handling; paho doesn't pass it to this callback."""
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = CERTIFICATE_HINTS.get(error.verify_code, "name its authority with mqtt.ca_file")
            self._warn(f"the broker's certificate is not trusted ({error.verify_message}): {hint}")
        elif isinstance(error, ssl.SSLError) or (self._tls and isinstance(error, ConnectionResetError)):
            self._warn(f"the TLS handshake failed ({error.strerror}): check the port, or use mqtt://")
        else:
            self._warn(f"the broker can't be reached ({getattr(error, 'strerror', None) or error})")

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure and not self._warned:  # after a warning there was no connection to lose
            self._warn(f"the connection is lost ({reason})")

    def _warn(self, message: str) -> None:
        """Log a warning, but only once until the next connection."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("mqtt: %s:%d: %s; trying again", self._host, self._port, message)

    def _sensor(self, topic: str) -> dict[str, Any]:
        """Return the discovery message of a topic's sensor (Home Assistant, "MQTT Discovery")."""
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


def parse_broker(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of mqtt://HOST[:PORT] or mqtts://HOST[:PORT].

    Raises SettingsError for any other URL. The message never repeats a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the system does to look it up
    except ValueError:  # an invalid port or name, or unbalanced brackets
        parts, port = urlsplit(url.partition("://")[0] + "://" if "://" in url else ""), -1
    has_extras = bool(parts.path.strip("/") or parts.query or parts.username or parts.password)
    if parts.scheme not in PORTS or not parts.hostname or port == -1 or has_extras:
        shown = f"{parts.scheme}://..." if "@" in url else url  # it may hold a password
        raise SettingsError(
            f"mqtt.url must be mqtt://HOST:PORT or mqtts://HOST:PORT, got {shown!r}; user and password "
            "belong in mqtt.user and mqtt.password_file"
        )
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of a flag that are not UTF-8
        return False
    return True


def _tls_context(ca_file: str) -> ssl.SSLContext:
    unusable = f"mqtt.ca_file is {ca_file}, which can't be used"
    text = None
    if ca_file:
        with os_errors_as(SettingsError, unusable):
            text = read_bounded(Path(ca_file), MAX_CA_BYTES).decode("ascii", "ignore")
    try:
        if text == "":  # would mean the system's certificates
            raise ValueError
        return ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise SettingsError(f"{unusable}: it holds no certificate") from None
