"""How much a connection may send before its request is answered, in whatever part of the request it is.

aiohttp limits lines, headers and bodies, but keeps some of what follows them: trailers, further requests, and
the bytes after an Upgrade.
"""

import asyncio
from collections.abc import Callable

MAX_BYTES = 65_536  # from the start of a request; the headers of a browser have 1 kB, and a login has 4 kB


class BoundedProtocol(asyncio.Protocol):
    """Passes everything on to another protocol; closes the connection after MAX_BYTES."""

    def __init__(self, inner: asyncio.Protocol, report: Callable[[], None]) -> None:
        self._inner, self._report = inner, report
        self._transport: asyncio.BaseTransport | None = None
        self._received_bytes = 0

    def begin_request(self) -> None:
        """Count from here on."""
        self._received_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if self._received_bytes <= MAX_BYTES:
            self._inner.data_received(data)
        elif isinstance(self._transport, asyncio.Transport):
            self._transport.abort()
            self._report()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
