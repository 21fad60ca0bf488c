"""The page's process: the connections of clients, apart from the loop.

It has a low priority and descriptors of its own, is the first to end if memory runs out, and ends with the
loop's process, which starts it (edge/web/server.py).
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.system.logs import start_log
from edge.web.clients import parse_proxies
from edge.web.connections import MAX_CONNECTIONS, Connections
from edge.web.link import Link
from edge.web.page_settings import PageSettings
from edge.web.rare_log import RareLog
from edge.web.requests import answer_safely, log_briefly
from edge.web.views import build_application

NICE = 10  # of the process, where the unit's sandbox allows it
CORE = 0.25  # of a core, which the process may use, whatever clients do
PERIOD_S = 0.1  # over which it is measured
FILES = MAX_CONNECTIONS + 64
CLOSE_S = 0.2


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to the loop's process, too
        signal.signal(number, signal.SIG_IGN)
    start_log()
    _stay_behind()
    link, listening = (socket.socket(fileno=int(argument)) for argument in sys.argv[1:3])
    with contextlib.suppress(ConnectionError):
        asyncio.run(_run(link, listening))


def _stay_behind() -> None:
    """Let the loop have processor and memory first, and open enough files for the connections."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    with contextlib.suppress(OSError):  # the kernel's order of ending processes when memory runs out
        Path("/proc/self/oom_score_adj").write_text("500")


async def _limit_processor() -> None:
    """Sleep, with all clients, whenever the process has used more than its part of a core."""
    while True:
        started_s, used_s = time.monotonic(), time.process_time()
        await asyncio.sleep(PERIOD_S)
        passed_s, used_s = time.monotonic() - started_s, time.process_time() - used_s
        time.sleep(max(0.0, used_s / CORE - passed_s))


async def _run(link: socket.socket, listening: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=link)
    line = await reader.readline()
    if not line:
        return
    settings = PageSettings(**json.loads(line))
    logging.getLogger().setLevel(settings.log_level.upper())
    counts: Counter[str] = Counter()
    rare_log = RareLog()
    log_briefly(rare_log)
    loop_link = Link(reader, writer, counts)
    connections = Connections(parse_proxies(settings.trusted_proxies), counts, rare_log)
    runner = web.AppRunner(
        build_application(settings, loop_link, connections, counts, rare_log),
        handle_signals=False,
        access_log=None,
        shutdown_timeout=CLOSE_S,
        auto_decompress=False,
        lingering_time=0,
    )
    await runner.setup()
    assert runner.server is not None
    runner.server.request_handler = answer_safely(runner.server.request_handler, connections, rare_log)
    listening.setblocking(False)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(connections.accept(listening, runner.server)),
        asyncio.create_task(connections.close_idle()),
        asyncio.create_task(_limit_processor()),
        asyncio.create_task(loop_link.receive()),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)  # the link is closed
    # the streams never end, and some of their clients are asleep
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await runner.cleanup()
    for task in done:
        task.result()


if __name__ == "__main__":
    main()
