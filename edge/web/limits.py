"""How much a client may do in a time: requests, and guesses of the token."""

import time


class TokenBuckets:
    """A bucket of tokens for each key, refilled at `rate_per_s` up to `burst`."""

    MAX_KEYS = 4096  # so that many addresses can't fill the memory

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s, self._burst = rate_per_s, burst
        self._full_at_s: dict[str, float] = {}  # when the key's bucket is full again; the oldest take first

    def wait_s(self, key: str) -> float:
        """Return the seconds until the key's bucket has a token; 0 if it has one."""
        missing_s = self._full_at_s.get(key, 0.0) - time.monotonic()
        return max(0.0, missing_s - (self._burst - 1) / self._rate_per_s)

    def take(self, key: str) -> None:
        """Take a token, if necessary one that is still to come."""
        now = time.monotonic()
        self._full_at_s[key] = max(now, self._full_at_s.pop(key, now)) + 1 / self._rate_per_s
        if len(self._full_at_s) > self.MAX_KEYS:
            del self._full_at_s[next(iter(self._full_at_s))]
