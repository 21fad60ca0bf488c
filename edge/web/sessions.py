"""The logins of browsers: random, known only to the server, ended by logout or age."""

import contextlib
import hashlib
import hmac
import json
import logging
import secrets
import time
from pathlib import Path

from edge.errors import reason_of
from edge.system.atomic_files import replaced_file
from edge.system.bounded_files import parse_json, read_bounded

log = logging.getLogger(__name__)

MAX_AGE_S = 30 * 24 * 3600
MAX_SESSIONS = 256  # with one more, the oldest ends
MAX_FILE_BYTES = 65536
FILE = "page-sessions.json"


class Sessions:
    """Sessions of browsers that have sent the token.

    `folder` keeps them through a restart. Its file holds no session that a thief could use, only its HMAC
    under the token, so a new token ends all sessions.
    """

    def __init__(self, token: bytes, folder: Path | None) -> None:
        self._token = token
        self._file = None if folder is None else folder / FILE
        self._expires: dict[str, float] = self._load()  # seconds since 1970 by HMAC, the oldest first

    def start(self) -> str:
        """Start a session and return its secret, for the browser's cookie."""
        secret = secrets.token_urlsafe(32)
        self._drop_old()
        self._expires[self._key(secret)] = time.time() + MAX_AGE_S
        self._save()
        return secret

    def is_valid(self, secret: str) -> bool:
        """Return whether the secret belongs to a session that has not ended."""
        return bool(secret) and self._expires.get(self._key(secret), 0.0) > time.time()

    def end(self, secret: str) -> None:
        """End the secret's session, if there is one."""
        if self._expires.pop(self._key(secret), None) is not None:
            self._save()

    def _key(self, secret: str) -> str:
        return hmac.new(self._token, secret.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()

    def _drop_old(self) -> None:
        now = time.time()
        valid = [item for item in self._expires.items() if item[1] > now]
        self._expires = dict(valid[-(MAX_SESSIONS - 1) :])

    def _load(self) -> dict[str, float]:
        if self._file is None:
            return {}
        with contextlib.suppress(OSError, ValueError):
            saved = parse_json(read_bounded(self._file, MAX_FILE_BYTES))
            if isinstance(saved, dict) and all(isinstance(value, int | float) for value in saved.values()):
                return saved
        return {}  # browsers log in again

    def _save(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(self._file) as partial:
                partial.touch(0o600)
                partial.write_text(json.dumps(self._expires))
        except OSError as error:
            log.info("page: logins end with a restart, because %s: %s", self._file, reason_of(error))
            self._file = None  # say so once
