"""The page's addresses. Every response is made from the loop's newest step."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from edge import __version__
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.web.auth import Auth, add_security_headers
from edge.web.feed import Feed
from edge.web.streams import Streams

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
MAX_REQUEST_BYTES = 4096
STALE_S = 10.0  # without a frame for this long the board is not alive

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_application(
    publisher: SnapshotPublisher,
    model: ModelName,
    metrics: Metrics | None,
    teaching: TeachingSession | None,
    token: str,
    hosts: set[str],
    picture: bool,
) -> web.Application:
    """Return aiohttp's application. `hosts`: this machine's names. `picture`: send the camera's picture."""
    auth = Auth(token, hosts)
    streams = Streams(Feed(publisher, teaching, picture))
    app = web.Application(middlewares=[auth.guard], client_max_size=MAX_REQUEST_BYTES)
    app.on_response_prepare.append(add_security_headers)

    async def edit(request: web.Request) -> web.Response:
        command = request.match_info["command"]
        if command not in ("space", "delete", "clear"):
            raise web.HTTPNotFound
        publisher.edit(command)
        return web.Response(status=204)

    async def teach(request: web.Request) -> web.Response:
        if teaching is None:
            return web.Response(status=409, text="this board can't be taught\n")
        teaching.request(request.match_info["command"], publisher.run_in_loop)
        return web.Response(status=204)

    async def health(request: web.Request) -> web.Response:
        alive, body = _health(publisher, model)
        return web.json_response(body, status=200 if alive else 503)

    async def scrape(request: web.Request) -> web.Response:
        if metrics is None:
            raise web.HTTPNotFound(text="metrics are switched off: set page.metrics = true\n")
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    app.add_routes(
        [
            web.get("/", _serve_file("index.html")),
            web.get("/page.css", _serve_file("page.css")),
            web.get("/page.js", _serve_file("page.js")),
            web.get("/icon.svg", _serve_file("icon.svg")),
            web.get("/login", _serve_file("login.html")),
            web.post("/login", auth.log_in),
            web.get("/events", streams.send_events),
            web.get("/picture", streams.send_pictures),
            web.post("/text/{command}", edit),
            web.post("/teach/{command}", teach),
            web.get("/healthz", health),
            web.get("/metrics", scrape),
        ]
    )
    return app


def _health(publisher: SnapshotPublisher, model: ModelName) -> tuple[bool, dict[str, object]]:
    """Return whether the board reads frames, and the body of /healthz."""
    snapshot = publisher.snapshot
    age_s = None if snapshot is None else snapshot.frame_age_s(time.monotonic())
    camera = None if snapshot is None else {"name": snapshot.camera.name, "state": snapshot.camera.status}
    alive = snapshot is not None and snapshot.read > 0 and age_s is not None and age_s < STALE_S
    return alive, {
        "alive": alive,
        "version": __version__,
        "camera": camera,
        "frame_age_s": None if age_s is None else round(age_s, 2),
        "model": {"created": model.created, "variant": model.variant, "sha256": model.sha256},
    }


def _serve_file(name: str) -> Handler:
    path = STATIC / name
    body = path.read_bytes()

    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=CONTENT_TYPES[path.suffix], charset="utf-8")

    return respond
