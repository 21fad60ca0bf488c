"""Short files that the kernel writes, under /proc and /sys."""

from pathlib import Path


def text_of(file: Path) -> str:
    """What it says, without the ends of lines; "" where it is absent or can't be read just now."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
