"""How many requests a second a client gets answered."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.web.auth import Auth
from edge.web.clients import Proxies
from edge.web.limits import TokenBuckets

REQUESTS_PER_S, BURST = 20.0, 60  # of a client: the page itself needs six, and one for each button pressed
LONGEST_WAIT_S = 3.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pace:
    """Finds each request's client, request["client"]; lets a client's many requests wait, or refuses them."""

    def __init__(self, proxies: Proxies, auth: Auth, counts: Counter[str]) -> None:
        self._proxies, self._auth, self._counts = proxies, auth, counts
        self._requests = TokenBuckets(REQUESTS_PER_S, BURST)

    @web.middleware
    async def keep(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the request when its client may have one more."""
        client = self._proxies.identify_by_headers(
            request.remote or "", request.headers.getall("X-Forwarded-For", ()), request.headers
        )
        request["client"] = client
        key = self._auth.limit_key(request, client)
        wait_s = self._requests.wait_s(key)
        if wait_s > 0:
            self._counts["requests_delayed"] += 1
        if wait_s > LONGEST_WAIT_S:
            response = web.Response(status=429, text="too many requests\n", headers={"Retry-After": "3"})
            response.force_close()
            return response
        self._requests.take(key)
        await asyncio.sleep(wait_s)
        return await handler(request)
