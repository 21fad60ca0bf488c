"""Replace files and folders by `edge.system.atomic_files`, with DataError in place of what a disk raises."""

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.errors import DataError, reason_of
from edge.system import atomic_files

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; at the end that file replaces `path`.

    Raises DataError if it can't be written; `path` is then unchanged.
    """
    try:
        with atomic_files.replaced_file(path) as partial:
            yield partial
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{path} can't be written ({reason}); what was there before is unchanged") from None


@contextlib.contextmanager
def replaced_folder(folder: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to write to; at the end it replaces `folder` as a whole.

    `check(folder)` raises if `folder` holds what must not be replaced. Raises DataError if the disk is full
    or can't be written; `folder` is then unchanged.
    """
    try:
        with atomic_files.replaced_folder(folder, check) as partial:
            yield partial
    except OSError as error:
        if error.errno in FULL:
            raise DataError(
                f"the disk of {folder} is full, or a file may not grow so large: make room, or name another "
                "--output; what was there before is unchanged"
            ) from None
        raise DataError(
            f"{error.filename or folder}: {reason_of(error)}; what was there before is unchanged"
        ) from None
