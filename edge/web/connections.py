"""The page's open connections: how many there may be, and for how long one may say nothing.

A new connection takes the place of the one whose last request is oldest, so that connections, however many
somebody opens, keep nobody out. Streams keep their place: only who has the token gets one.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.errors import reason_of
from edge.web.bounded_protocol import MAX_BYTES, BoundedProtocol
from edge.web.clients import Proxies, group_of
from edge.web.rare_log import RareLog

MAX_CONNECTIONS = 256
MAX_OF_ADDRESS = 80  # a browser opens six; a trusted proxy has no limit of its own
IDLE_S = 15.0  # for a request to arrive, wait its turn and be answered, and for the next one to follow
CHECK_S = 1.0
RETRY_S = 0.1  # after the system refused a connection


@dataclass(eq=False)
class Connection:
    """An open connection."""

    socket: socket.socket
    transport: asyncio.Transport
    protocol: BoundedProtocol
    group: str
    active_s: float  # when it was opened, or sent its last request
    is_stream: bool = False

    @property
    def is_open(self) -> bool:
        return self.socket.fileno() != -1


class Connections:
    """Accepts connections, and closes those that are too many or idle."""

    def __init__(self, proxies: Proxies, counts: Counter[str], rare_log: RareLog) -> None:
        self._proxies, self._counts, self._rare_log = proxies, counts, rare_log
        self._open: dict[asyncio.BaseTransport, Connection] = {}  # in the order of their acceptance

    async def accept(self, listening: socket.socket, new_protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._rare_log(
                    logging.WARNING, "accept", f"a connection can't be accepted: {reason_of(error)}"
                )
                await asyncio.sleep(RETRY_S)
                continue
            group = group_of(peer[0])
            if not self._make_room(group, is_proxy=self._proxies.trusts(peer[0])):
                client.close()
                await asyncio.sleep(0)  # sock_accept does not pause while connections are waiting
                continue
            try:
                transport, protocol = await loop.connect_accepted_socket(
                    lambda: BoundedProtocol(new_protocol(), self._report_too_much), client
                )
            except OSError:  # the client is gone already
                client.close()
                continue
            self._open[transport] = Connection(client, transport, protocol, group, time.monotonic())

    async def close_idle(self) -> None:
        """Close idle connections for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            self._forget_closed()
            longest = time.monotonic() - IDLE_S
            for connection in list(self._open.values()):
                if not connection.is_stream and connection.active_s < longest:
                    self._close(connection)

    def mark_active(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a connection has sent a request."""
        if transport is not None and transport in self._open:
            self._open[transport].active_s = time.monotonic()
            self._open[transport].protocol.begin_request()

    def mark_stream(self, transport: asyncio.BaseTransport | None) -> None:
        """Let a connection that has become a stream stay until it ends."""
        if transport is not None and transport in self._open:
            self._open[transport].is_stream = True

    def _make_room(self, group: str, is_proxy: bool) -> bool:
        """Close a connection if there are too many. Return False if all of them are streams."""
        if len(self._open) >= MAX_OF_ADDRESS:
            self._forget_closed()
        of_address = [connection for connection in self._open.values() if connection.group == group]
        if len(of_address) >= MAX_OF_ADDRESS and not is_proxy:
            return self._close_oldest(of_address, f"{group} has {len(of_address)} connections")
        if len(self._open) >= MAX_CONNECTIONS:
            return self._close_oldest(self._open.values(), f"there are {len(self._open)} connections")
        return True

    def _close_oldest(self, connections: Iterable[Connection], reason: str) -> bool:
        self._counts["connections_closed"] += 1
        self._rare_log(logging.WARNING, "full", f"{reason}: for each new one, an old one is closed")
        others = [connection for connection in connections if not connection.is_stream]
        if not others:
            return False
        self._close(min(others, key=lambda connection: connection.active_s))
        return True

    def _report_too_much(self) -> None:
        self._counts["connections_closed"] += 1
        self._rare_log(logging.WARNING, "too much", f"a client sent more than {MAX_BYTES} bytes at once")

    def _close(self, connection: Connection) -> None:
        connection.transport.abort()
        self._open.pop(connection.transport, None)

    def _forget_closed(self) -> None:
        for transport, connection in list(self._open.items()):
            if not connection.is_open:
                del self._open[transport]
