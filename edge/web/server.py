"""The page's server: aiohttp in a thread of its own, beside the loop."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import threading
from types import TracebackType

from edge.errors import SettingsError, not_installed, reason_of
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.settings import Settings
from edge.system.credentials import read_secret

log = logging.getLogger(__name__)

CLOSE_S = 3.0  # for the clients' connections at the end
NICE = 5  # of the page's thread: recognition comes first
MIN_TOKEN_LENGTH = 16  # characters


def open_page(
    settings: Settings,
    publisher: SnapshotPublisher,
    model: ModelName,
    metrics: Metrics | None,
    teaching: TeachingSession | None,
) -> "Page":
    """Return the page of the settings, to be used with `with`.

    Raises SettingsError if aiohttp is missing, the port is taken, or others can reach the address and there
    is no token.
    """
    try:
        from edge.web.views import build_application
    except ImportError:
        raise not_installed("page.listen", "aiohttp", "page") from None
    host, port = parse_address(settings.page)
    token = read_secret("page.token_file", settings.page_token_file, "page_token")
    if not ipaddress.ip_address(host).is_loopback and not token:
        raise SettingsError(
            f"page.listen is {settings.page}, which others can reach, so it must have a token: "
            "give page.token_file or the credential page_token, or use 127.0.0.1"
        )
    if token and len(token) < MIN_TOKEN_LENGTH:
        raise SettingsError(
            f"the page's token has {len(token)} characters, expected at least {MIN_TOKEN_LENGTH}: "
            "make one with openssl rand -hex 16"
        )
    hosts = {socket.gethostname(), f"{socket.gethostname()}.local", *settings.page_hosts.split()}
    app = build_application(publisher, model, metrics, teaching, token, hosts, settings.page_picture)
    listening = _listen(host, port, settings.page)
    access = "asks for a token" if token else "asks for no token, because only this machine can reach it"
    port = listening.getsockname()[1]  # the free port that was chosen, if the settings say 0
    log.info("the page is at http://%s:%d/ and %s", settings.page.rpartition(":")[0], port, access)
    return Page(app, listening)


class Page:
    """aiohttp's server in a thread named `page`; the loop never waits for it."""

    def __init__(self, app: object, listening: socket.socket) -> None:
        self._app, self._listening = app, listening
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)

    def __enter__(self) -> "Page":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(CLOSE_S)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            os.nice(NICE)  # on Linux, of this thread alone
        try:
            self._loop.run_until_complete(self._run())
        finally:
            self._loop.close()

    async def _run(self) -> None:
        from aiohttp import web

        logging.getLogger("aiohttp.server").addFilter(_shorten_http_errors)
        runner = web.AppRunner(self._app, handle_signals=False, access_log=None, shutdown_timeout=0.2)  # type: ignore[arg-type]
        await runner.setup()
        await web.SockSite(runner, self._listening).start()
        await self._ending.wait()
        # the streams never end, and some of their clients are asleep
        streams = asyncio.all_tasks() - {asyncio.current_task()}
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        await runner.cleanup()


def _shorten_http_errors(record: logging.LogRecord) -> bool:
    """Log a malformed request, which anybody can send, in one line without aiohttp's call stack."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__module__ == "aiohttp.http_exceptions":
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        record.msg, record.args, record.exc_info = (
            "page: refused a malformed request: %s",
            (first[:100],),
            None,
        )
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


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


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=32)
    except OSError as error:
        reason = "another program uses that port" if error.errno == errno.EADDRINUSE else reason_of(error)
        raise SettingsError(
            f"the page can't be opened at {setting} ({reason}): choose another address or port"
        ) from None
