"""Two endless responses: states as Server-Sent Events, and pictures as MJPEG.

Each client gets the newest item when it is ready for one. A slow client misses items, and nothing queues up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.web.auth import Auth
from edge.web.connections import Connections
from edge.web.link import Answer, Link

POLL_S = 0.03  # between two checks for a new item
CROWD = 8  # streams; with more, each polls less often, so that their total cost stays bounded
MAX_STREAMS = 64
TAKE_S = 30.0  # for a client to take an item; it is gone if it does not
CHECK_S = 1.0  # between two checks whether the client is still logged in
BOUNDARY = "next-picture"


class Streams:
    """Streams of the loop's states and pictures."""

    def __init__(self, link: Link, auth: Auth, connections: Connections, picture: bool) -> None:
        self._link, self._auth, self._connections, self._picture = link, auth, connections, picture
        self._count = 0

    async def send_events(self, request: web.Request) -> web.StreamResponse:
        """Send Server-Sent Events, each with a state as JSON."""

        async def next_state() -> Answer | None:
            return await self._link.ask("state")

        def format_event(state: bytes) -> bytes:
            return b"data: " + state + b"\n\n"

        return await self._stream(request, "text/event-stream", b"retry: 1000\n\n", next_state, format_event)

    async def send_pictures(self, request: web.Request) -> web.StreamResponse:
        """Send the newest pictures as MJPEG."""
        if not self._picture:
            raise web.HTTPNotFound(text="the picture is switched off\n")

        async def next_picture() -> Answer | None:
            return await self._link.ask("picture")

        def format_part(jpeg: bytes) -> bytes:
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            return head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

        content_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        start = f"--{BOUNDARY}\r\n".encode()
        return await self._stream(request, content_type, start, next_picture, format_part)

    async def _stream(
        self,
        request: web.Request,
        content_type: str,
        start: bytes,
        next_item: Callable[[], Awaitable[Answer | None]],
        format_item: Callable[[bytes], bytes],
    ) -> web.StreamResponse:
        """Send `start`, then every new item."""
        if self._count >= MAX_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many clients already\n")
        self._count += 1
        self._connections.mark_stream(request.transport)
        # nginx would keep what it gets until it has a few kilobytes
        response = web.StreamResponse(headers={"Content-Type": content_type, "X-Accel-Buffering": "no"})
        try:
            await response.prepare(request)
            await response.write(start)
            number, checked_s = -1, time.monotonic()
            while True:
                answer = await next_item()
                if answer is not None and answer.number != number and answer.body:
                    number = answer.number
                    await asyncio.wait_for(response.write(format_item(answer.body)), TAKE_S)
                if time.monotonic() - checked_s >= CHECK_S:
                    checked_s = time.monotonic()
                    if not self._auth.may_go_on(request):
                        return response
                await asyncio.sleep(POLL_S * max(1, self._count / CROWD))
        except (ConnectionResetError, asyncio.TimeoutError):  # the client went away
            if request.transport is not None:
                request.transport.abort()
            return response
        finally:
            self._count -= 1
