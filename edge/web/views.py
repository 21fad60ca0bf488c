"""The page's addresses. Every response is made from the loop's newest step."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from edge import __version__
from edge.web.auth import Auth, add_security_headers
from edge.web.clients import parse_proxies
from edge.web.connections import Connections
from edge.web.link import Link
from edge.web.login import Login
from edge.web.pace import Pace
from edge.web.page_settings import PageSettings
from edge.web.rare_log import RareLog
from edge.web.sessions import Sessions
from edge.web.streams import Streams

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
MAX_REQUEST_BYTES = 4096
NO_ANSWER = {"alive": False, "version": __version__, "camera": None, "frame_age_s": None, "model": None}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_application(
    settings: PageSettings,
    link: Link,
    connections: Connections,
    counts: Counter[str],
    rare_log: RareLog,
) -> web.Application:
    """Return aiohttp's application."""
    sessions = Sessions(settings.token.encode(), Path(settings.state_folder) if settings.token else None)
    auth = Auth(settings.token, settings.hosts, sessions, counts, rare_log)
    login = Login(auth, STATIC / "login.html")
    streams = Streams(link, auth, connections, settings.picture)
    pace = Pace(parse_proxies(settings.trusted_proxies), auth, counts)
    app = web.Application(middlewares=[pace.keep, auth.guard], client_max_size=MAX_REQUEST_BYTES)
    app.on_response_prepare.append(add_security_headers)

    async def edit(request: web.Request) -> web.Response:
        command = request.match_info["command"]
        if command not in ("space", "delete", "clear"):
            raise web.HTTPNotFound
        link.tell("edit", command)
        return web.Response(status=204)

    async def teach(request: web.Request) -> web.Response:
        link.tell("teach", request.match_info["command"])
        return web.Response(status=204)

    async def health(request: web.Request) -> web.Response:
        answer = await link.ask("health")
        if answer is None:
            return web.json_response(NO_ANSWER, status=503)
        status = 200 if answer.head["alive"] else 503
        return web.Response(status=status, body=answer.body, content_type="application/json", charset="utf-8")

    async def scrape(request: web.Request) -> web.Response:
        if not settings.metrics:
            raise web.HTTPNotFound(text="metrics are switched off: set page.metrics = true\n")
        answer = await link.ask("metrics")
        if answer is None:
            raise web.HTTPServiceUnavailable(text="the loop's process does not answer\n")
        return web.Response(body=answer.body, headers={"Content-Type": answer.head["content_type"]})

    index = (STATIC / "index.html").read_bytes()
    if auth.has_token:
        index = index.replace(b'action="logout" hidden', b'action="logout"')
    app.add_routes(
        [
            web.get("/", _send(index, ".html")),
            web.get("/page.css", _serve_file("page.css")),
            web.get("/page.js", _serve_file("page.js")),
            web.get("/icon.svg", _serve_file("icon.svg")),
            web.get("/login", login.show),
            web.post("/login", login.log_in),
            web.post("/logout", login.log_out),
            web.get("/events", streams.send_events),
            web.get("/picture", streams.send_pictures),
            web.post("/text/{command}", edit),
            web.post("/teach/{command}", teach),
            web.get("/healthz", health),
            web.get("/metrics", scrape),
        ]
    )
    return app


def _serve_file(name: str) -> Handler:
    path = STATIC / name
    return _send(path.read_bytes(), path.suffix)


def _send(body: bytes, suffix: str) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=CONTENT_TYPES[suffix], charset="utf-8")

    return respond
