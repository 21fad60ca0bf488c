"""A full disk, as the kernel shows it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

FullAfter = Callable[[int], AbstractContextManager[None]]
