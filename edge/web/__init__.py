"""The live page: a small web server in its own thread, beside the loop."""

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

CLOSE_S = 3.0  # for the watchers' connections at the end
SHORTEST_TOKEN = 16  # characters


def open_page(
    settings: Settings,
    publisher: SnapshotPublisher,
    model: ModelName,
    metrics: Metrics | None,
    teaching: TeachingSession | None,
) -> "Page":
    """The page of the settings, to be opened by `with`. SettingsError where aiohttp is missing, the port is
    taken, or an address that others can reach has no token."""
    try:
        from edge.web.server import application
    except ImportError:
        raise not_installed("'page'", "aiohttp", "page") from None
    host, port = address_of(settings.page)
    token = read_secret("page_token_file", settings.page_token_file, "page_token")
    if not ipaddress.ip_address(host).is_loopback and not token:
        raise SettingsError(
            f"'page' is {settings.page}, which others can reach, and there is no token to ask them for: give "
            "page_token_file or the credential page_token, or take 127.0.0.1"
        )
    if token and len(token) < SHORTEST_TOKEN:
        raise SettingsError(
            f"the page's token has {len(token)} characters, at least {SHORTEST_TOKEN} were wanted: "
            "make one with  openssl rand -hex 16"
        )
    names = {socket.gethostname(), f"{socket.gethostname()}.local", *settings.page_hosts.split()}
    app = application(publisher, model, metrics, teaching, token, names, settings.page_picture)
    listening = _listening(host, port, settings.page)
    page = Page(app, listening)
    asks = "asks for a token" if token else "asks for no token: it can be reached from this machine alone"
    port = listening.getsockname()[1]  # where 0 was asked for, the one that was free
    log.info("the page is at http://%s:%d/ and %s", settings.page.rpartition(":")[0], port, asks)
    return page


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
            os.nice(5)  # of this thread alone, on Linux: the letters come first
        try:
            self._loop.run_until_complete(self._run())
        finally:
            self._loop.close()

    async def _run(self) -> None:
        from aiohttp import web

        logging.getLogger("aiohttp.server").addFilter(_in_one_line)
        runner = web.AppRunner(self._app, handle_signals=False, access_log=None, shutdown_timeout=0.2)  # type: ignore[arg-type]
        await runner.setup()
        await web.SockSite(runner, self._listening).start()
        await self._ending.wait()
        streams = asyncio.all_tasks() - {
            asyncio.current_task()
        }  # endless, and some with a watcher that sleeps
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        await runner.cleanup()


def _in_one_line(record: logging.LogRecord) -> bool:
    """What is no HTTP (anybody may send that) is told in a line, without aiohttp's own call stack."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__module__ == "aiohttp.http_exceptions":
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        record.msg, record.args, record.exc_info = "page: refused what is no HTTP: %s", (first[:100],), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def address_of(text: str) -> tuple[str, int]:
    """127.0.0.1:8080 or [::1]:8080 -> host, port. SettingsError for anything else."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
        if not 0 <= number <= 65535:
            raise ValueError
    except ValueError:
        raise SettingsError(
            f"'page' is '{text}'; an address and a port were wanted, e.g. 127.0.0.1:8080"
        ) from None
    return host, number


def _listening(host: str, port: int, shown: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=32)
    except OSError as error:
        reason = reason_of(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another program has that port"
        raise SettingsError(
            f"'page' is {shown}, where no page can be opened ({reason}): take another"
        ) from None
