"""The page's open connections: how many there may be, and for how long one may say nothing.

A new connection takes the place of the one that has been idle for longest, so that idle connections, however
many somebody opens, keep nobody out.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge.errors import reason_of
from edge.web.clients import Proxies, group_of
from edge.web.rare_log import RareLog

MAX_CONNECTIONS = 256
MAX_OF_ADDRESS = 64  # a browser opens six, and two for its streams; a trusted proxy has no limit of its own
IDLE_S = 15.0  # without a complete request, or before the client takes a response
CHECK_S = 1.0
RETRY_S = 0.1  # after the system refused a connection


@dataclass(eq=False)
class Connection:
    """An open connection."""

    socket: socket.socket
    transport: asyncio.Transport
    group: str
    idle_since_s: float
    requests: int = 0  # in progress

    @property
    def is_open(self) -> bool:
        return self.socket.fileno() != -1


class Connections:
    """Accepts connections, and closes those that are too many or idle."""

    def __init__(self, proxies: Proxies, counts: Counter[str], rare_log: RareLog) -> None:
        self._proxies, self._counts, self._rare_log = proxies, counts, rare_log
        self._open: dict[asyncio.BaseTransport, Connection] = {}  # in the order of their acceptance

    async def accept(
        self, listening: socket.socket, new_protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
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
            transport, _ = await loop.connect_accepted_socket(new_protocol, client)
            self._open[transport] = Connection(client, transport, group, time.monotonic())

    async def close_idle(self) -> None:
        """Close idle connections for ever."""
        while True:
            await asyncio.sleep(CHECK_S)
            self._forget_closed()
            longest = time.monotonic() - IDLE_S
            for connection in list(self._open.values()):
                if not connection.requests and connection.idle_since_s < longest:
                    self._close(connection)

    @contextmanager
    def in_use(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """Mark a connection as in use while one of its requests is in progress."""
        connection = self._open.get(transport) if transport is not None else None
        if connection is None:
            yield
            return
        connection.requests += 1
        try:
            yield
        finally:
            connection.requests -= 1
            connection.idle_since_s = time.monotonic()

    def _make_room(self, group: str, is_proxy: bool) -> bool:
        """Close an idle connection if there are too many. Return False if all of them are in use."""
        if len(self._open) >= MAX_OF_ADDRESS:
            self._forget_closed()
        of_address = [connection for connection in self._open.values() if connection.group == group]
        if len(of_address) >= MAX_OF_ADDRESS and not is_proxy:
            return self._close_longest_idle(of_address, f"{group} has {len(of_address)} connections")
        if len(self._open) >= MAX_CONNECTIONS:
            return self._close_longest_idle(self._open.values(), f"there are {len(self._open)} connections")
        return True

    def _close_longest_idle(self, connections: Iterable[Connection], reason: str) -> bool:
        self._counts["connections_closed"] += 1
        self._rare_log(logging.WARNING, "full", f"{reason}: for each new one, an idle one is closed")
        idle = [connection for connection in connections if not connection.requests]
        if not idle:
            return False
        self._close(min(idle, key=lambda connection: connection.idle_since_s))
        return True

    def _close(self, connection: Connection) -> None:
        connection.transport.abort()
        self._open.pop(connection.transport, None)

    def _forget_closed(self) -> None:
        for transport, connection in list(self._open.items()):
            if not connection.is_open:
                del self._open[transport]
