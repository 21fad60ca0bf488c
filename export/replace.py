"""A folder written beside the one that it replaces: whatever goes wrong, one of the two is whole."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.errors import DataError
from edge.package import METADATA_NAME

NEEDED_BYTES = 250_000_000  # the most that all three variants were seen to need at a time is 169 MB
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PACKAGE_SUFFIXES = (".json", ".onnx", ".pt", ".md")


@contextlib.contextmanager
def replaced_package(folder: Path) -> Iterator[Path]:
    """Gives an empty folder beside `folder` to write a package into, and puts it in its place at the end.

    Where anything fails, Ctrl-C included, `folder` is as it was and nothing lies beside it. DataError where
    the disk is full or can't be written, or where `folder` holds what is no package.
    """
    folder = folder.resolve()
    partial, old = (folder.with_name(folder.name + end) for end in (".partial", ".old"))
    try:
        if old.exists() and not folder.exists():  # killed between the two renames of `_swap`
            old.rename(folder)
        _refuse_strangers(folder)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        if (free := shutil.disk_usage(partial).free) < NEEDED_BYTES:
            raise DataError(
                f"the disk of {folder} has {free / 1e6:.0f} MB free, and an export needs "
                f"{NEEDED_BYTES / 1e6:.0f} MB while it works: make room, or name another --output"
            )
        yield partial
        _swap(partial, folder, old)
    except OSError as error:
        if error.errno in FULL:
            raise DataError(
                f"the disk of {folder} is full, or a file may not grow so large; "
                "what was there before is whole"
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


def _refuse_strangers(folder: Path) -> None:
    """An existing folder is replaced as a whole: it must be empty, or a package and nothing else."""
    if not folder.exists():
        return
    inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [""]
    strangers = [name for name in inside if not name.endswith(PACKAGE_SUFFIXES)]
    if strangers or (inside and METADATA_NAME not in inside):
        what = f"holds {strangers[0]}" if strangers and strangers[0] else "is no deployment package"
        raise DataError(f"{folder} {what} and would be replaced as a whole: name another --output")
