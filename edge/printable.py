"""Show foreign words: names of files, cameras and settings, and replies of servers.

A control character in them could move a terminal's cursor, hide text, or begin a line that looks like ours.
"""

import re
from typing import TextIO

MAX_CHARACTERS = 2000  # of one sentence
LOGIN = re.compile(r"//\S*@")  # user and password in an address; a password may hold any character


def printable(text: str) -> str:
    """Return the text with control characters, line breaks and invisible characters as \\uXXXX.

    Letters of every script stay. The escapes mean the same inside a JSON string.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def print_line(text: str, file: TextIO | None = None) -> None:
    """Print one line, whatever the text holds, to standard output or another stream."""
    print(printable(text), file=file, flush=True)


def hide_password(text: str) -> str:
    """Return the text with … in place of user and password of the addresses in it, as in rtsp://…@host/path."""
    return LOGIN.sub("//…@", text)


def shorten(text: str) -> str:
    """Return a printable text of at most MAX_CHARACTERS, with … in place of the middle and of passwords."""
    text = hide_password(printable(text))
    half = MAX_CHARACTERS // 2
    return text if len(text) <= MAX_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
