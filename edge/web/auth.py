"""Who may see the page: by the host's name, the token, the request's origin; and what a browser may load."""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

log = logging.getLogger(__name__)

COOKIE = "asl_edge"
COOKIE_S = 90 * 24 * 3600
OPEN_PATHS = ("/healthz", "/login", "/page.css")  # these tell no letter and show no picture
WRONG_S = 1.0  # a wrong token is answered so late
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends a form with `Origin: null`
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Auth:
    """`guard` is a middleware of the whole application, `log_in` answers the form. Without a token all may
    come in who reach the address."""

    def __init__(self, token: str, names: set[str]) -> None:
        self._token = token.encode()
        self._names = {name.lower() for name in names}
        # stands for the token: who reads a browser's cookies does not learn it
        self._cookie = hmac.new(self._token, b"asl-edge page", hashlib.sha256).hexdigest()

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_ours(request.host):
            return _refused(421, f"this page does not answer to the name {request.host!r}: see page.hosts")
        if request.method == "POST" and not _is_same_origin(request):
            return _refused(403, "another page may not do this here")
        if self._token and request.path not in OPEN_PATHS and not self._is_known(request):
            if "Authorization" in request.headers:
                await self._slow_down(request)
            if request.path == "/":
                raise web.HTTPSeeOther("/login", headers=SECURITY)
            return _refused(401, "a token is wanted: log in at /login, or send it as Authorization: Bearer")
        return await handler(request)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """The form's token -> a cookie that is not sent along with another site's requests."""
        try:
            given = _bytes(str((await request.post()).get("token", "")))
        except (ValueError, LookupError):  # no form at all, or in no encoding that there is
            raise web.HTTPBadRequest(text="a form with a token was wanted\n") from None
        if not (self._token and hmac.compare_digest(given, self._token)):
            await self._slow_down(request)
            raise web.HTTPSeeOther("/login?wrong", headers=SECURITY)
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(COOKIE, self._cookie, max_age=COOKIE_S, httponly=True, samesite="Strict", path="/")
        return answer

    def _is_known(self, request: web.Request) -> bool:
        """By its cookie or its Authorization header, each compared in constant time."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        bearer = kind.lower() == "bearer" and hmac.compare_digest(_bytes(given), self._token)
        cookie = hmac.compare_digest(_bytes(request.cookies.get(COOKIE, "")), self._cookie.encode())
        return bearer or cookie

    async def _slow_down(self, request: web.Request) -> None:
        log.warning("page: %s gave a wrong token", request.remote)
        await asyncio.sleep(WRONG_S)

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this machine. A name that somebody's DNS turns to us does not (DNS
        rebinding); an address can't be turned."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
            if name == "localhost" or name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def secure(request: web.Request, response: web.StreamResponse) -> None:
    """For every answer (aiohttp's on_response_prepare)."""
    response.headers.update(SECURITY)


def _is_same_origin(request: web.Request) -> bool:
    """Browsers send Origin with every POST; a program that sends none is no page."""
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:
        return False


def _bytes(given: str) -> bytes:
    """aiohttp keeps bytes that are no UTF-8 as surrogates."""
    return given.strip().encode(errors="surrogateescape")


def _refused(status: int, hint: str) -> web.Response:
    return web.Response(status=status, text=hint + "\n")
