"""Write a file or folder beside the one that it replaces, then rename it: one of the two is always whole."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


def real_path(path: str | Path) -> Path:
    """Return the absolute path with its symbolic links followed, as far as they lead somewhere.

    Path.resolve() raises RuntimeError for links in a loop before Python 3.13. Here whoever uses the path gets
    the system's OSError.
    """
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; at the end that file replaces `path`, with the mode of `path`.

    If anything fails, `path` is unchanged and nothing is left beside it; the error passes through. A symbolic
    link stays and its target is replaced.
    """
    path = real_path(path)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        if path.exists():
            partial.chmod(path.stat().st_mode & 0o777)
        _sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(folder: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to write to; at the end it replaces `folder` as a whole.

    `check(folder)` raises if `folder` holds what must not be replaced. If anything fails, Ctrl-C included,
    `folder` is unchanged and nothing is left beside it; the error passes through.
    """
    folder = real_path(folder)
    partial, old = (folder.with_name(folder.name + end) for end in (".partial", ".old"))
    try:
        if old.exists() and not folder.exists():  # a run was killed between the two renames of `_swap`
            old.rename(folder)
        check(folder)
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        _swap(partial, folder, old)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(path: Path) -> None:
    """Flush to the disk: without it a power cut after the rename can leave an empty file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(new: Path, folder: Path, old: Path) -> None:
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:  # Ctrl-C may come between the two renames
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
