"""The connection to an MQTT broker: what the settings say about it, and what may come in through it."""

import ssl
from pathlib import Path

import paho.mqtt.client as paho

from edge.errors import SettingsError, os_errors_as
from edge.settings import Settings
from edge.sinks.mqtt_url import parse_broker
from edge.system.bounded_files import read_bounded
from edge.system.credentials import read_secret

MAX_CA_BYTES = 1_000_000  # all certificates of a Debian have 220,000
# A broker only acknowledges, because nothing is subscribed. paho would keep 256 MB of anything else.
MAX_REPLY_BYTES = 2
# By OpenSSL's verify code (X509_V_ERR_..., openssl-verification-options(1)). Any other code means that the
# certificate authority is unknown.
CERTIFICATE_HINTS = {
    9: "check this board's clock",  # not yet valid: without a battery the clock starts in the past
    10: "the broker needs a new certificate, or this board's clock is wrong",
    62: "use the host name in the certificate",
    64: "use the host name in the certificate",  # the same for an IP address
}


class Client(paho.Client):
    """paho's client, which takes acknowledgements only, and can change its client id."""

    def __init__(self, client_id: str) -> None:
        super().__init__(paho.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)

    def rename(self, client_id: str) -> None:
        """Use another client id from the next connection on."""
        self._client_id = client_id.encode()

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_REPLY_BYTES:
            raise ConnectionError
        return super()._sock_recv(bufsize)


def build_client(settings: Settings, client_id: str) -> Client:
    """Return a client with the settings' user, password and TLS. Raises SettingsError if one is wrong."""
    scheme = parse_broker(settings.mqtt)[0]
    client = Client(client_id)
    password = read_secret("mqtt.password_file", settings.mqtt_password_file, "mqtt_password")
    if not _is_utf8(settings.mqtt_user):
        raise SettingsError(f"mqtt.user must be text in UTF-8, got {settings.mqtt_user!r}")
    if settings.mqtt_user or password:
        client.username_pw_set(settings.mqtt_user or "asl-edge", password or None)
    if settings.mqtt_ca_file and scheme != "mqtts":
        raise SettingsError(f"mqtt.ca_file needs TLS: mqtt.url must begin with mqtts://, got {settings.mqtt}")
    if scheme == "mqtts":
        client.tls_set_context(_tls_context(settings.mqtt_ca_file))
    return client


def describe_refusal(reason: object) -> str:
    """Return the sentence for a broker that answers, and refuses."""
    return f"the broker refuses the connection ({reason}): check mqtt.user and mqtt.password_file"


def describe_failure(error: BaseException | None, uses_tls: bool) -> str:
    """Return the sentence for an error while connecting."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = CERTIFICATE_HINTS.get(error.verify_code, "name its authority with mqtt.ca_file")
        return f"the broker's certificate is not trusted ({error.verify_message}): {hint}"
    if isinstance(error, ssl.SSLError) or (uses_tls and isinstance(error, ConnectionResetError)):
        return f"the TLS handshake failed ({error.strerror}): check the port, or use mqtt://"
    return f"the broker can't be reached ({getattr(error, 'strerror', None) or error})"


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
