"""Read files that have an end, up to a limit: whoever writes a file can't stop or fill the program.

Every file from outside passes here: settings, secrets, metadata, taught letters, pictures, latency cards.
"""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

BLOCK_BYTES = 100_000


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file of at most `max_bytes`.

    A pipe that a shell holds open, <(command), is read to its end. Raises OSError, with a reason to follow
    "can't be read:", for a larger file, a named pipe, which would be waited for, a device, and all that
    open() refuses; ValueError for a name with a null byte.
    """
    path = Path(path)
    _check_kind(path.stat().st_mode, path)  # opening a device may change it
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)  # the path may lead to another file by now
        _check_kind(status.st_mode, path)
        if stat.S_ISFIFO(status.st_mode):
            if _has_name(descriptor):
                raise OSError(errno.EINVAL, "it is a named pipe, not a file", str(path))
            os.set_blocking(descriptor, True)
        # a growing file, a pipe and a file of /proc have more bytes than their size says
        size, blocks = status.st_size, []
        while size <= max_bytes and (block := file.read(max(status.st_size, BLOCK_BYTES))) != b"":
            if block is None:  # some files of /proc wait for more, for example kmsg
                raise OSError(errno.EAGAIN, "it has no end", str(path))
            blocks.append(block)
            size = max(size, sum(map(len, blocks)))
    if size > max_bytes:
        raise OSError(
            errno.EFBIG, f"it is larger than {max_bytes:,} bytes, the limit for such a file", str(path)
        )
    return b"".join(blocks)


def parse_json(data: bytes) -> Any:
    """Return the value of JSON in UTF-8.

    Raises ValueError for invalid JSON, for NaN and Infinity, and for values that are nested too deeply.
    """
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _check_kind(mode: int, path: Path) -> None:
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, "it is a device, not a file", str(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _has_name(descriptor: int) -> bool:
    """Whether a pipe was opened by its name, rather than by a shell that holds it open."""
    return not str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
