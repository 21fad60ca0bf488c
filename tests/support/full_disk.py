"""The type of the fixture `full_after`, which simulates a full disk."""

from collections.abc import Callable
from contextlib import AbstractContextManager

FullAfter = Callable[[int], AbstractContextManager[None]]
