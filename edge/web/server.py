"""The page's addresses: what is answered where. Everything is made from the newest turn of the loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from edge import __version__
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.web.auth import Auth, secure
from edge.web.feed import Feed

FILES = Path(__file__).parent / "static"
LOOK_S = 0.03  # between two looks for something new; made anew is nothing more often than `shown` allows
CROWD = 8  # streams; where there are more, each gets less: what they cost together stays bounded
MOST_STREAMS = 64
STALE_S = 10.0  # without a frame for so long the board is not well
BOUNDARY = "next-picture"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    publisher: SnapshotPublisher,
    model: ModelName,
    metrics: Metrics | None,
    teaching: TeachingSession | None,
    token: str,
    names: set[str],
    picture: bool,
) -> web.Application:
    """aiohttp's application; `names` are this machine's, `picture` False shows none."""
    doors = Auth(token, names)
    shown = Feed(publisher, teaching, picture)
    streams = Streams(shown)
    app = web.Application(middlewares=[doors.guard], client_max_size=4096)
    app.on_response_prepare.append(secure)

    async def edit(request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what not in ("space", "delete", "clear"):
            raise web.HTTPNotFound
        publisher.edit(what)
        return web.Response(status=204)

    async def teach(request: web.Request) -> web.Response:
        if teaching is None:
            return web.Response(status=409, text="nothing can be taught here\n")
        teaching.request(request.match_info["what"], publisher.run_in_loop)
        return web.Response(status=204)

    async def health(request: web.Request) -> web.Response:
        snapshot = publisher.snapshot
        age_s = None if snapshot is None else snapshot.frame_age_s(time.monotonic())
        alive = snapshot is not None and snapshot.read > 0 and age_s is not None and age_s < STALE_S
        told = {
            "alive": alive,
            "version": __version__,
            "camera": None
            if snapshot is None
            else {"name": snapshot.camera.name, "state": snapshot.camera.status},
            "frame_age_s": None if age_s is None else round(age_s, 2),
            "model": {"created": model.created, "variant": model.variant, "sha256": model.sha256},
        }
        return web.json_response(told, status=200 if alive else 503)

    async def scrape(request: web.Request) -> web.Response:
        if metrics is None:
            raise web.HTTPNotFound(text="switched off: metrics = true\n")
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    app.add_routes(
        [
            web.get("/", _file("index.html")),
            web.get("/page.css", _file("page.css")),
            web.get("/page.js", _file("page.js")),
            web.get("/icon.svg", _file("icon.svg")),
            web.get("/login", _file("login.html")),
            web.post("/login", doors.log_in),
            web.get("/events", streams.events),
            web.get("/picture", streams.pictures),
            web.post("/text/{what}", edit),
            web.post("/teach/{what}", teach),
            web.get("/healthz", health),
            web.get("/metrics", scrape),
        ]
    )
    return app


def _file(name: str) -> Handler:
    path = FILES / name
    body = path.read_bytes()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=TYPES[path.suffix], charset="utf-8")

    return answer


class Streams:
    """Two endless answers. Each watcher gets the newest when it is ready for it: one that sleeps misses what
    was in between, and nothing piles up."""

    def __init__(self, shown: Feed) -> None:
        self._shown, self._streams = shown, 0

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events, one `state` (JSON) for each turn, as often as `shown` makes one."""

        async def one(last: int) -> tuple[int, bytes]:
            number, state = self._shown.state()
            return number, b"" if number == last else b"data: " + state + b"\n\n"

        return await self._stream(request, "text/event-stream", b"retry: 1000\n\n", one)

    async def pictures(self, request: web.Request) -> web.StreamResponse:
        """MJPEG: the newest picture, as often as `shown` makes one."""
        if not self._shown.picture:
            raise web.HTTPNotFound(text="the picture is switched off\n")

        async def one(last: int) -> tuple[int, bytes]:
            number, jpeg = self._shown.jpeg()
            if number == last or not jpeg:
                return number, b""
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            return number, head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()

        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return await self._stream(request, kind, f"--{BOUNDARY}\r\n".encode(), one)

    async def _stream(
        self,
        request: web.Request,
        kind: str,
        begin: bytes,
        one: Callable[[int], Awaitable[tuple[int, bytes]]],
    ) -> web.StreamResponse:
        if self._streams >= MOST_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many watch already\n")
        self._streams += 1
        response = web.StreamResponse(headers={"Content-Type": kind})
        try:
            await response.prepare(request)
            await response.write(begin)
            number = -1
            while True:
                number, piece = await one(number)
                if piece:
                    await response.write(piece)
                await asyncio.sleep(LOOK_S * max(1, self._streams / CROWD))
        except ConnectionResetError:  # it went away
            return response
        finally:
            self._streams -= 1
