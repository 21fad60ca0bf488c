"""Who sends a request: the address of the client, also behind proxies that the settings trust.

Headers of a proxy count only if it is trusted. Home Assistant's ingress is such a proxy.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edge.errors import SettingsError

PATH = re.compile(r"(/[A-Za-z0-9_.~-]+)+/?")  # nothing that means more in a cookie
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Client:
    """The sender of a request."""

    address: str
    group: str  # what limits count by: an IPv4 address, or the /64 that one IPv6 machine can fill
    uses_tls: bool  # between the browser and a trusted proxy
    host: str = ""  # that the browser asked a trusted proxy for
    ingress_path: str = ""  # of the page below Home Assistant's address


class Proxies:
    """The proxies whose X-Forwarded-For and X-Forwarded-Proto count."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Return whether the address is a trusted proxy's."""
        parsed = _parse(address)
        return parsed is not None and self._contain(parsed)

    def identify(self, peer: str, forwarded_for: Iterable[str], forwarded_proto: str) -> Client:
        """Return the client of a request from `peer`, by the values of the two headers.

        Each proxy appends the address from which it got the request. So the client is the last address that
        is no trusted proxy's; whatever stands before it may be invented.
        """
        client = _parse(peer)
        if client is None or not self._contain(client):
            return Client(peer, group_of(peer), False)
        for entry in reversed(",".join(forwarded_for).split(",")):
            address = _parse(entry.strip())
            if address is None:
                break
            client = address
            if not self._contain(address):
                break
        uses_tls = forwarded_proto.rpartition(",")[2].strip().lower() == "https"
        return Client(str(client), group_of(str(client)), uses_tls)

    def identify_by_headers(
        self, peer: str, forwarded_for: Iterable[str], headers: Mapping[str, str]
    ) -> Client:
        """Return the client of a request from `peer`; X-Forwarded-For may be there several times."""
        client = self.identify(peer, forwarded_for, headers.get("X-Forwarded-Proto", ""))
        if not self.trusts(peer):
            return client
        path = headers.get("X-Ingress-Path", "")
        host = headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
        return replace(client, host=host, ingress_path=path if PATH.fullmatch(path) else "")

    def _contain(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def parse_proxies(text: str) -> Proxies:
    """Parse addresses and networks, separated by spaces. Raises SettingsError for anything else."""
    networks = []
    for word in text.split():
        try:
            networks.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise SettingsError(
                "page.trusted_proxies must be addresses or networks separated by spaces, e.g. 127.0.0.1 "
                f"10.0.0.0/8, got {word!r}: {error}"
            ) from None
    return Proxies(networks)


def group_of(address: str) -> str:
    """Return what limits count an address by."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address


def _parse(text: str) -> Address | None:
    """Parse an address, without its zone; one that maps IPv4 into IPv6 becomes IPv4. None if it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
