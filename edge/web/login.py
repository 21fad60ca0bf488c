"""The login form, and the logout."""

import asyncio
import math
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp import web

from edge.web.auth import COOKIE, Auth, TooManyGuesses, encode
from edge.web.sessions import MAX_AGE_S

BODY_S = 5.0  # for the form to arrive
FORM = "application/x-www-form-urlencoded"


class Login:
    """Answers /login and /logout."""

    def __init__(self, auth: Auth, html: Path) -> None:
        self._auth, self._html = auth, html.read_text()

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Send the form."""
        return self._form(200, "")

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Exchange the form's token for a cookie that browsers do not send with other sites' requests."""
        token = await _read_token(request)
        client = request["client"]
        try:
            is_right = self._auth.check_token(token, client)
        except TooManyGuesses as error:
            response = self._form(429, str(error).capitalize() + ".")
            response.headers["Retry-After"] = str(math.ceil(error.wait_s))
            return response
        if not is_right:
            return self._form(401, "Wrong token.")
        response = web.Response(status=303, headers={"Location": "./"})
        response.set_cookie(
            COOKIE,
            self._auth.sessions.start(),
            max_age=MAX_AGE_S,
            httponly=True,
            samesite="Strict",
            secure=client.uses_tls,
            path=client.ingress_path or "/",
        )
        return response

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        self._auth.sessions.end(request.cookies.get(COOKIE, ""))
        response = web.Response(status=303, headers={"Location": "login"})
        response.del_cookie(COOKIE, path=request["client"].ingress_path or "/")
        return response

    def _form(self, status: int, sentence: str) -> web.Response:
        html = self._html
        if sentence:
            html = html.replace('role="alert" hidden>', f'role="alert">{sentence}')
        return web.Response(status=status, text=html, content_type="text/html")


async def _read_token(request: web.Request) -> bytes:
    """Return the token of a form in the one encoding that browsers use for it."""
    if request.content_type != FORM or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text=f"expected a form with a token, as {FORM}\n")
    try:
        body = await asyncio.wait_for(request.read(), BODY_S)
    except asyncio.TimeoutError:
        raise web.HTTPRequestTimeout(text="the form did not arrive in time\n") from None
    fields = parse_qs(body.decode("latin-1"), errors="surrogateescape", max_num_fields=8)
    return encode(fields.get("token", [""])[0])
