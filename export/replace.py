"""A package's folder is replaced as a whole, and only where it is a package."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.errors import DataError
from edge.package import METADATA_NAME
from train.replace import replaced_folder

NEEDED_BYTES = 250_000_000  # the most that all three variants were seen to need at a time is 169 MB
PACKAGE_SUFFIXES = (".json", ".onnx", ".pt", ".md")


@contextlib.contextmanager
def replaced_package(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to write a package into, which takes the place of `folder` at the end.

    DataError before any work where the disk has no room for an export or `folder` holds what is no package;
    otherwise as `replaced_folder`.
    """
    with replaced_folder(folder, _refuse_strangers) as partial:
        if (free := shutil.disk_usage(partial).free) < NEEDED_BYTES:
            raise DataError(
                f"the disk of {folder} has {free / 1e6:.0f} MB free, and an export needs "
                f"{NEEDED_BYTES / 1e6:.0f} MB while it works: make room, or name another --output"
            )
        yield partial


def _refuse_strangers(folder: Path) -> None:
    """An existing folder is replaced as a whole: it must be empty, or a package and nothing else."""
    if not folder.exists():
        return
    inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [""]
    strangers = [name for name in inside if not name.endswith(PACKAGE_SUFFIXES)]
    if strangers or (inside and METADATA_NAME not in inside):
        what = f"holds {strangers[0]}" if strangers and strangers[0] else "is no deployment package"
        raise DataError(f"{folder} {what} and would be replaced as a whole: name another --output")
