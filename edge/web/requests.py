"""What a client sends, or leaves out, is answered without a traceback and without an error of ours."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.web.connections import Connections
from edge.web.rare_log import RareLog

# what aiohttp and Python's parsers raise for a wrong request, or for a client that goes away
CLIENT_ERRORS = (OSError, ValueError, LookupError, EOFError, web.RequestPayloadError, web.PayloadAccessError)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def answer_safely(handler: Handler, connections: Connections, rare_log: RareLog) -> Handler:
    """Return aiohttp's handler of requests with answers to those on which it would fail."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        connections.mark_active(request.transport)
        if "Expect" in request.headers:  # aiohttp would answer it before the token is checked
            return _refuse(417, "Expect is not supported")
        try:
            return await handler(request)
        except CLIENT_ERRORS as error:
            rare_log(logging.INFO, "request", f"refused a request: {type(error).__name__}: {error}")
            return _refuse(400, "malformed request")

    return answer


def log_briefly(rare_log: RareLog) -> None:
    """Log what aiohttp and asyncio report of malformed requests and lost clients in one line, and rarely."""

    def shorten(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ != "aiohttp.http_exceptions":
            return True
        reason = " ".join(str(error).split()) or type(error).__name__
        rare_log(logging.INFO, "malformed", f"refused a malformed request: {reason[:100]}")
        return False

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        reason = context["message"] if error is None else f"{type(error).__name__}: {error}"
        rare_log(logging.WARNING, "connection", f"a connection failed: {reason}")

    logging.getLogger("aiohttp.server").addFilter(shorten)
    asyncio.get_running_loop().set_exception_handler(report)


def _refuse(status: int, sentence: str) -> web.Response:
    response = web.Response(status=status, text=sentence + "\n")
    response.force_close()
    return response
