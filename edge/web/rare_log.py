"""Log what anybody on the network can cause: each kind once, and after a pause again with its number."""

import logging
import time

PAUSE_S = 600.0  # between two lines of a kind: an attack must not fill the journal

log = logging.getLogger(__name__)


class RareLog:
    """Called with a level, a kind and a sentence. There must be few kinds; the sentences may differ."""

    def __init__(self) -> None:
        self._logged_s: dict[str, float] = {}
        self._more: dict[str, int] = {}

    def __call__(self, level: int, kind: str, sentence: str) -> None:
        now = time.monotonic()
        if now - self._logged_s.get(kind, -PAUSE_S) < PAUSE_S:
            self._more[kind] = self._more.get(kind, 0) + 1
            return
        more = self._more.pop(kind, 0)
        self._logged_s[kind] = now
        since = f" (and {more} times since the last such line)" if more else ""
        log.log(level, "page: %s%s", ascii(sentence)[1:-1], since)
