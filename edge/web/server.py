"""The loop's end of the page: starts the page's process, and answers its questions.

The page's process (edge/web/process.py) has the connections of the clients, so nothing that they do can take
the loop's processor time, descriptors or memory.
"""

import contextlib
import ipaddress
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import edge
from edge.errors import SettingsError, not_installed
from edge.observe.metrics import Metrics, ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.settings import Settings
from edge.system.credentials import read_secret
from edge.system.state_folder import locate_restart_folder
from edge.web.address import listen, parse_address
from edge.web.clients import parse_proxies
from edge.web.feed import Feed
from edge.web.page_settings import PageSettings

log = logging.getLogger(__name__)

CLOSE_S = 3.0  # for the clients' connections at the end
NICE = 5  # of the page's thread: recognition comes first
MIN_TOKEN_LENGTH = 16  # characters
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before a page's process that ended is started again


def open_page(
    settings: Settings,
    publisher: SnapshotPublisher,
    model: ModelName,
    metrics: Metrics | None,
    teaching: TeachingSession,
) -> "Page":
    """Return the page of the settings, to be used with `with`.

    Raises SettingsError if aiohttp is missing, the port is taken, or others can reach the address and there
    is no token.
    """
    if find_spec("aiohttp") is None:  # only the page's process imports it
        raise not_installed("page.listen", "aiohttp", "page")
    host, port = parse_address(settings.page)
    parse_proxies(settings.page_trusted_proxies)
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
    page_settings = PageSettings(
        token=token,
        hosts=[socket.gethostname(), f"{socket.gethostname()}.local", *settings.page_hosts.split()],
        trusted_proxies=settings.page_trusted_proxies,
        picture=settings.page_picture,
        metrics=metrics is not None,
        state_folder=str(locate_restart_folder(settings.state_dir)),
        log_level=settings.log_level,
    )
    listening = listen(host, port, settings.page)
    access = "asks for a token" if token else "asks for no token, because only this machine can reach it"
    port = listening.getsockname()[1]  # the free port that was chosen, if the settings say 0
    log.info("the page is at http://%s:%d/ and %s", settings.page.rpartition(":")[0], port, access)
    feed = Feed(publisher, teaching, settings.page_picture, model)
    return Page(page_settings, listening, feed, publisher, metrics, teaching)


class Page:
    """The page's process, and the thread `page` that answers it; the loop never waits for either."""

    def __init__(
        self,
        settings: PageSettings,
        listening: socket.socket,
        feed: Feed,
        publisher: SnapshotPublisher,
        metrics: Metrics | None,
        teaching: TeachingSession,
    ) -> None:
        self._settings, self._listening, self._feed = settings, listening, feed
        self._publisher, self._metrics, self._teaching = publisher, metrics, teaching
        self._ending = threading.Event()
        self._link: socket.socket | None = None
        self._thread = threading.Thread(target=self._keep_serving, name="page", daemon=True)

    def __enter__(self) -> "Page":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._ending.set()
        _hang_up(self._link)
        self._thread.join(CLOSE_S)
        self._listening.close()

    def _keep_serving(self) -> None:
        """Start the page's process, and again whenever it ends, after pauses that grow."""
        with contextlib.suppress(OSError):
            os.nice(NICE)  # on Linux, of this thread alone
        pause_s = FIRST_PAUSE_S
        while not self._ending.is_set():
            started_s = time.monotonic()
            try:
                end = f"exit code {self._serve_once()}"
            except Exception as error:  # whatever fails here, the loop goes on
                end = f"{type(error).__name__}: {error}"
            if time.monotonic() - started_s > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            if self._ending.wait(pause_s):
                return
            log.warning("the page's process ended (%s) and is started again", end)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _serve_once(self) -> int:
        """Run the page's process until it ends; return its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = _start_process(theirs.fileno(), self._listening.fileno())
            try:
                self._link = ours
                if self._ending.is_set():
                    _hang_up(ours)
                ours.sendall(json.dumps(asdict(self._settings)).encode() + b"\n")
                with ours.makefile("rb") as lines:
                    for line in lines:
                        self._react(json.loads(line), ours)
            except OSError:
                pass  # the process ended, or the page does
            finally:
                _hang_up(ours)
                self._link = None
                code = _wait(process)
        return code

    def _react(self, message: dict[str, Any], link: socket.socket) -> None:
        if "edit" in message:
            self._publisher.edit(message["edit"])
        elif "teach" in message:
            self._teaching.request(message["teach"], self._publisher.run_in_loop)
        else:
            head, body = self._answer(message)
            head["bytes"] = len(body)
            link.sendall(json.dumps(head).encode() + b"\n" + body)

    def _answer(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the head and the body of the answer to a question (edge/web/link.py)."""
        question, have = message["ask"], message.get("have", -1)
        if question == "state":
            number, body = self._feed.state(have)
            return {"number": number}, body
        if question == "picture":
            number, body = self._feed.jpeg(have)
            return {"number": number}, body
        if question == "health":
            alive, body = self._feed.health()
            return {"number": -1, "alive": alive}, body
        if self._metrics is None:
            return {"number": -1}, b""
        self._metrics.count_page(message["counts"])
        return {"number": -1, "content_type": self._metrics.content_type}, self._metrics.text()


def _start_process(link: int, listening: int) -> subprocess.Popen[bytes]:
    """Start edge/web/process.py. Its standard output must not be ours, to which letters are written."""
    root = str(Path(edge.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "edge.web.process", str(link), str(listening)],
        pass_fds=(link, listening),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        cwd="/",  # Python would import from the working directory
    )


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a process whose link is closed; kill it if it does not end."""
    try:
        return process.wait(CLOSE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _hang_up(link: socket.socket | None) -> None:
    """Close the link for both ends, so that the thread that waits for it goes on."""
    if link is not None:
        with contextlib.suppress(OSError):  # it is closed already
            link.shutdown(socket.SHUT_RDWR)
