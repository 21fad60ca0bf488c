"""Two endless responses: states as Server-Sent Events, and pictures as MJPEG.

Each client gets the newest item when it is ready for one. A slow client misses items, and nothing queues up.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from edge.web.feed import Feed

POLL_S = 0.03  # between two checks for a new item; how often there is one is up to the feed
CROWD = 8  # streams; with more, each polls less often, so that their total cost stays bounded
MAX_STREAMS = 64
BOUNDARY = "next-picture"


class Streams:
    """Streams of the feed's states and pictures."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self._count = feed, 0

    async def send_events(self, request: web.Request) -> web.StreamResponse:
        """Send Server-Sent Events, each with a state as JSON."""

        def next_event(last: int) -> tuple[int, bytes]:
            number, state = self._feed.state()
            return number, b"" if number == last else b"data: " + state + b"\n\n"

        return await self._stream(request, "text/event-stream", b"retry: 1000\n\n", next_event)

    async def send_pictures(self, request: web.Request) -> web.StreamResponse:
        """Send the newest pictures as MJPEG."""
        if not self._feed.picture:
            raise web.HTTPNotFound(text="the picture is switched off\n")

        def next_picture(last: int) -> tuple[int, bytes]:
            number, jpeg = self._feed.jpeg()
            if number == last or not jpeg:
                return number, b""
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            return number, head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

        content_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return await self._stream(request, content_type, f"--{BOUNDARY}\r\n".encode(), next_picture)

    async def _stream(
        self,
        request: web.Request,
        content_type: str,
        start: bytes,
        next_item: Callable[[int], tuple[int, bytes]],
    ) -> web.StreamResponse:
        """Send `start`, then every new item. `next_item` gets the last number; b"" means nothing new."""
        if self._count >= MAX_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many clients already\n")
        self._count += 1
        response = web.StreamResponse(headers={"Content-Type": content_type})
        try:
            await response.prepare(request)
            await response.write(start)
            number = -1
            while True:
                number, item = next_item(number)
                if item:
                    await response.write(item)
                await asyncio.sleep(POLL_S * max(1, self._count / CROWD))
        except ConnectionResetError:  # the client went away
            return response
        finally:
            self._count -= 1
