"""The address of an MQTT broker, as the setting mqtt.url has it."""

from urllib.parse import urlsplit

from edge.errors import SettingsError

PORTS = {"mqtt": 1883, "mqtts": 8883}


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
