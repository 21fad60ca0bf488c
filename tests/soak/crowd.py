"""Watchers of the page who come and go."""

import http.client
import random
import threading
import time

WATCHERS = 6


class Crowd:
    """Watchers who log in, look at the page for a moment, press a button, and leave."""

    def __init__(self, port: int, token: str) -> None:
        self.visits, self.is_here = 0, False
        self._port, self._token, self._threads, self._stop = (
            port,
            token,
            list[threading.Thread](),
            threading.Event(),
        )

    def come(self) -> None:
        self._stop.clear()
        self.is_here = True
        self._threads = [
            threading.Thread(target=self._watch, args=(f"127.0.0.{2 + n}",), daemon=True)
            for n in range(WATCHERS)
        ]
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.is_here = False

    def _watch(self, address: str) -> None:
        """Watch from an address of its own: the page limits the requests of each address."""
        chance = random.Random(address)
        while not self._stop.is_set():
            try:
                self._visit(address, chance)
                self.visits += 1
            except (OSError, http.client.HTTPException):
                self._stop.wait(0.5)  # the page is being started

    def _visit(self, address: str, chance: random.Random) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = self._ask(address, "POST", "/login", f"token={self._token}", form)
        cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
        self._ask(address, "GET", "/", None, cookie)
        path = chance.choice(("/events", "/picture"))
        stream = self._connect(address)
        stream.request("GET", path, headers=cookie)
        response, end_s = stream.getresponse(), time.monotonic() + chance.uniform(0.1, 2.0)
        while time.monotonic() < end_s and not self._stop.is_set():
            response.read1(65536)
        stream.close()
        press = chance.choice(("/text/space", "/text/clear", "/teach/A", "/teach/learn", "/logout"))
        self._ask(address, "POST", press, None, cookie)
        self._ask(address, "GET", chance.choice(("/metrics", "/healthz", "/nothing")), None, cookie)

    def _connect(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=10, source_address=(address, 0))

    def _ask(
        self, address: str, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> http.client.HTTPMessage:
        connection = self._connect(address)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
            return response.headers
        finally:
            connection.close()
