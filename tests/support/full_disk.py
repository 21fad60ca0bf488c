"""The type of the `full_after` fixture, which simulates a full disk."""

from collections.abc import Callable
from contextlib import AbstractContextManager

FullAfter = Callable[[int], AbstractContextManager[None]]
