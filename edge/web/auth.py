"""Who may use the page, by host name, token and the request's origin; and what a browser may load from it."""

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
COOKIE_MAX_AGE_S = 90 * 24 * 3600
OPEN_PATHS = ("/healthz", "/login", "/page.css")  # these contain no letter and no picture
WRONG_TOKEN_DELAY_S = 1.0  # against guessing
SECURITY_HEADERS = {
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
    """Checks requests. Without a token, everybody who can reach the address may use the page."""

    def __init__(self, token: str, hosts: set[str]) -> None:
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts}
        # derived from the token, so that a stolen cookie does not reveal it
        self._cookie = hmac.new(self._token, b"asl-edge page", hashlib.sha256).hexdigest()

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign host names, other sites' forms, and requests without the token."""
        if not self._is_own_host(request.host):
            return _refuse(421, f"this page is not known by the name {request.host!r}: see page.hosts")
        if request.method == "POST" and not _is_same_origin(request):
            return _refuse(403, "other sites may not send this request")
        if self._token and request.path not in OPEN_PATHS and not self._is_authorised(request):
            if "Authorization" in request.headers:
                await self._delay(request)
            if request.path == "/":
                raise web.HTTPSeeOther("/login", headers=SECURITY_HEADERS)
            return _refuse(401, "a token is needed: log in at /login, or send it as Authorization: Bearer")
        return await handler(request)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Exchange the form's token for a cookie that browsers do not send with other sites' requests."""
        try:
            token = _encode(str((await request.post()).get("token", "")))
        except (ValueError, LookupError):  # not a form, or of an unknown encoding
            raise web.HTTPBadRequest(text="expected a form with a token\n") from None
        if not (self._token and hmac.compare_digest(token, self._token)):
            await self._delay(request)
            raise web.HTTPSeeOther("/login?wrong", headers=SECURITY_HEADERS)
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            COOKIE, self._cookie, max_age=COOKIE_MAX_AGE_S, httponly=True, samesite="Strict", path="/"
        )
        return response

    def _is_authorised(self, request: web.Request) -> bool:
        """Check the Authorization header and the cookie, each in constant time."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = kind.lower() == "bearer" and hmac.compare_digest(_encode(token), self._token)
        cookie = hmac.compare_digest(_encode(request.cookies.get(COOKIE, "")), self._cookie.encode())
        return bearer or cookie

    async def _delay(self, request: web.Request) -> None:
        log.warning("page: %s sent a wrong token", request.remote)
        await asyncio.sleep(WRONG_TOKEN_DELAY_S)

    def _is_own_host(self, host: str) -> bool:
        """Check that a Host header names this machine, against DNS rebinding. Addresses can't be rebound."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
            if name == "localhost" or name in self._hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to every response, as aiohttp's on_response_prepare."""
    response.headers.update(SECURITY_HEADERS)


def _is_same_origin(request: web.Request) -> bool:
    """Check the Origin header. Browsers send one with every POST; other programs need not."""
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:
        return False


def _encode(text: str) -> bytes:
    """Encode a header or form value; aiohttp keeps bytes that are not UTF-8 as surrogates."""
    return text.strip().encode(errors="surrogateescape")


def _refuse(status: int, hint: str) -> web.Response:
    return web.Response(status=status, text=hint + "\n")
