"""A file or folder written beside the one that it replaces: whatever goes wrong, one of the two is whole."""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.errors import DataError, reason_of

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and puts that file in its place at the end.

    DataError where it can't be written; `path` is as it was then, and nothing lies beside it.
    """
    partial = path.with_suffix(".partial")
    try:
        yield partial
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        partial.unlink(missing_ok=True)
        why = reason_of(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{path} can't be written ({why}); what was there before is whole") from None


@contextlib.contextmanager
def replaced_folder(folder: Path, refuse: Callable[[Path], None]) -> Iterator[Path]:
    """Gives an empty folder beside `folder` to write into, and puts it in its place at the end.

    `refuse` raises where `folder` holds what must not be replaced. Where anything fails, Ctrl-C included,
    `folder` is as it was and nothing lies beside it. DataError where the disk is full or can't be written.
    """
    folder = Path(folder).resolve()
    partial, old = (folder.with_name(folder.name + end) for end in (".partial", ".old"))
    try:
        if old.exists() and not folder.exists():  # killed between the two renames of `_swap`
            old.rename(folder)
        refuse(folder)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        _swap(partial, folder, old)
    except OSError as error:
        if error.errno in FULL:
            raise DataError(
                f"the disk of {folder} is full, or a file may not grow so large: make room, or name another "
                "--output; what was there before is whole"
            ) from None
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DataError(f"{error.filename or folder}: {why}; what was there before is whole") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swap(new: Path, folder: Path, old: Path) -> None:
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:  # Ctrl-C between the two renames is the likeliest
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
