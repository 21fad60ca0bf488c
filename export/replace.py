"""Replace the folder of a package as a whole, and only if it is a package."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.errors import DataError
from edge.package import METADATA_NAME
from train.replace import replaced_folder

NEEDED_BYTES = 250_000_000  # an export of all three variants needs 169 MB at most
PACKAGE_SUFFIXES = (".json", ".onnx", ".pt", ".md", ".png", ".sig")


@contextlib.contextmanager
def replaced_package(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write a package into; at the end it replaces `folder`.

    Raises DataError before any work if the disk has no room for an export or `folder` holds something else
    than a package; otherwise as `replaced_folder`.
    """
    with replaced_folder(folder, _refuse_foreign_folder) as partial:
        if (free := shutil.disk_usage(partial).free) < NEEDED_BYTES:
            raise DataError(
                f"an export needs {NEEDED_BYTES / 1e6:.0f} MB on the disk of {folder}, which has "
                f"{free / 1e6:.0f} MB free: make room, or name another --output"
            )
        yield partial


def _refuse_foreign_folder(folder: Path) -> None:
    """Raise DataError unless the folder is missing, empty, or holds a package and nothing else."""
    if not folder.exists():
        return
    inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [""]
    foreign = [name for name in inside if not name.endswith(PACKAGE_SUFFIXES)]
    if foreign or (inside and METADATA_NAME not in inside):
        what = f"holds {foreign[0]}" if foreign and foreign[0] else "is not a deployment package"
        raise DataError(f"{folder} {what} and would be replaced as a whole: name another --output")
