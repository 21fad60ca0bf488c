"""Who may use the page, by host name, token and the request's origin; and what a browser may load from it."""

import hmac
import ipaddress
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from aiohttp import web

from edge.web.clients import Client
from edge.web.limits import TokenBuckets
from edge.web.rare_log import RareLog
from edge.web.sessions import Sessions

COOKIE = "asl_edge"
OPEN_PATHS = ("/healthz", "/login", "/page.css")  # these contain no letter and no picture
MAX_KNOWN = 1024  # addresses that have sent the token
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends a form with `Origin: null`
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "asl-edge",  # aiohttp would name its version and Python's
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TooManyGuesses(Exception):  # noqa: N818  a state to wait out
    """The client, or all clients together, sent too many wrong tokens; `wait_s` until the next is checked."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong tokens: try again in {math.ceil(wait_s)} s")
        self.wait_s = wait_s


class Auth:
    """Checks requests. Without a token, everybody who can reach the address may use the page."""

    def __init__(
        self, token: str, hosts: Iterable[str], sessions: Sessions, counts: Counter[str], rare_log: RareLog
    ) -> None:
        self.sessions = sessions
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts}
        self._counts, self._rare_log = counts, rare_log
        self._failures = TokenBuckets(rate_per_s=0.1, burst=5)  # of each client
        self._all_failures = TokenBuckets(rate_per_s=0.5, burst=30)
        self._known: dict[
            str, None
        ] = {}  # addresses that have sent the token: others' guesses don't stop them

    @property
    def has_token(self) -> bool:
        return bool(self._token)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign host names, other sites' forms, and requests without the token."""
        client: Client = request["client"]
        for host in (request.host, *filter(None, [client.host])):
            if not self._is_own_host(host):
                return _refuse(421, f"this page is not known by the name {host!r}: see page.hosts")
        if request.method == "POST" and not _is_same_origin(request, client):
            return _refuse(403, _describe_foreign(request))
        if not self._token or request.path in OPEN_PATHS or self.is_logged_in(request):
            return await handler(request)
        bearer = _read_bearer(request)
        if bearer is not None:
            try:
                if self.check_token(bearer, request["client"]):
                    return await handler(request)
            except TooManyGuesses as error:
                return _refuse(429, str(error), **{"Retry-After": str(math.ceil(error.wait_s))})
        if request.path == "/":
            raise web.HTTPSeeOther("login")
        return _refuse(
            401,
            "a token is needed: log in at /login, or send it as Authorization: Bearer",
            **{"WWW-Authenticate": "Bearer"},
        )

    def limit_key(self, request: web.Request, client: Client) -> str:
        """Return what the client's requests are counted by.

        Who is logged in, or has sent the token, is counted alone: in an IPv6 network, strangers are in the
        same group.
        """
        if self._token and self.is_logged_in(request):
            return request.cookies[COOKIE]
        return client.address if client.address in self._known else client.group

    def check_token(self, token: bytes, client: Client) -> bool:
        """Return whether the token is right. Raises TooManyGuesses without a look at the token."""
        is_known = client.address in self._known
        key = client.address if is_known else client.group
        wait_s = self._failures.wait_s(key)
        if not is_known:
            wait_s = max(wait_s, self._all_failures.wait_s(""))
        if wait_s > 0:
            self._counts["guesses_refused"] += 1
            raise TooManyGuesses(wait_s)
        if self._token and hmac.compare_digest(token, self._token):
            self._known[client.address] = self._known.pop(client.address, None)
            if len(self._known) > MAX_KNOWN:
                del self._known[next(iter(self._known))]
            return True
        self._failures.take(key)
        self._all_failures.take("")
        self._counts["wrong_tokens"] += 1
        self._rare_log(logging.WARNING, "token", f"{client.address} sent a wrong token")
        return False

    def is_logged_in(self, request: web.Request) -> bool:
        """Return whether the request has the cookie of a session."""
        return self.sessions.is_valid(request.cookies.get(COOKIE, ""))

    def may_go_on(self, request: web.Request) -> bool:
        """Return whether a stream that was begun by this request may go on: not after a logout."""
        if not self._token or self.is_logged_in(request):
            return True
        bearer = _read_bearer(request)
        return bearer is not None and hmac.compare_digest(bearer, self._token)

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
    client: Client | None = request.get("client")
    if client is not None and client.ingress_path:  # Home Assistant shows the page in a frame of its own
        policy = SECURITY_HEADERS["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = policy.replace(
            "frame-ancestors 'none'", "frame-ancestors 'self'"
        )


def encode(text: str) -> bytes:
    """Encode the value of a header or form, whose bytes that are not UTF-8 are surrogates."""
    return text.strip().encode(errors="surrogateescape")


def _read_bearer(request: web.Request) -> bytes | None:
    """Return the token of the Authorization header, or None if there is no such header."""
    if "Authorization" not in request.headers:
        return None
    kind, _, token = request.headers["Authorization"].partition(" ")
    return encode(token) if kind.lower() == "bearer" else b""


def _is_same_origin(request: web.Request, client: Client) -> bool:
    """Check the Origin header. Browsers send one with every POST; other programs need not."""
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc in (request.host, client.host or request.host)
    except ValueError:
        return False


def _describe_foreign(request: web.Request) -> str:
    """Return the sentence for another site's request, which a proxy makes of ours if it changes the host."""
    return (
        f"other sites may not send this request: its Origin is {request.headers['Origin']!r}, and its Host "
        f"{request.host!r}. A proxy must pass on the header Host (nginx: proxy_set_header Host $http_host;)"
    )


def _refuse(status: int, hint: str, **headers: str) -> web.Response:
    return web.Response(status=status, text=hint + "\n", headers=headers)
