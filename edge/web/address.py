"""The address at which the page listens."""

import errno
import ipaddress
import socket

from edge.errors import SettingsError, reason_of

BACKLOG = 128  # connections that wait to be accepted


def parse_address(text: str) -> tuple[str, int]:
    """Parse 127.0.0.1:8080 or [::1]:8080 to host and port. Raises SettingsError for anything else."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
        if not 0 <= number <= 65535:
            raise ValueError
    except ValueError:
        raise SettingsError(
            f"page.listen must be an address and a port, e.g. 127.0.0.1:8080, got '{text}'"
        ) from None
    return host, number


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket that listens. Raises SettingsError, which names the `setting`, if it can't."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "another program uses that port" if error.errno == errno.EADDRINUSE else reason_of(error)
        raise SettingsError(
            f"the page can't be opened at {setting} ({reason}): choose another address or port"
        ) from None
