"""Read the kernel's short files in /proc and /sys."""

from pathlib import Path


def read_text(file: Path) -> str:
    """Return the stripped text; "" if the file is absent or can't be read at this moment."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
