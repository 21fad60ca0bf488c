"""What the command lines of train and export have in common."""

import io
import sys


def names(text: str) -> list[str]:
    """'A, B' of a flag -> ['A', 'B']."""
    return [name.strip() for name in text.split(",") if name.strip()]


def print_any_name() -> None:
    """Standard output escapes stray bytes in a file's name (no UTF-8), as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
