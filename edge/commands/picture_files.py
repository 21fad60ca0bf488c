"""The pictures that `predict` is asked to read, and the annotated copies that it writes of them."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2

from edge.errors import OutputError, SettingsError, os_errors_as, reason_of
from edge.pictures import SUFFIXES
from edge.preprocess import scale_down
from edge.records import Image
from edge.system.atomic_files import real_path, replaced_file

COPY_SIDE_PX, COPY_QUALITY = 1600, 90
MAX_STEM_BYTES = 235  # of a copy's name: Linux allows 255, and a number, .jpg and .partial follow
log = logging.getLogger(__name__)


def walk_pictures(folder: str, left_out: Path | None = None) -> Iterator[str]:
    """Yield the pictures in a folder and its subfolders, in the order of their names.

    A folder's own files come before its subfolders. Other files are counted in one line at the end. Hidden
    files and folders, `__MACOSX`, the folder `left_out` and symbolic links to folders are left out silently.
    If there is no picture, the folder's own name is yielded.
    """
    skipped: Counter[str] = Counter()
    found = False
    for here, folders, files in os.walk(folder, onerror=_report):
        folders[:] = sorted(
            name for name in folders if not _is_clutter(name) and real_path(Path(here, name)) != left_out
        )
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if _is_clutter(name):
                continue
            if suffix in SUFFIXES:
                found = True
                yield str(Path(here, name))
            else:
                skipped[suffix or "no suffix"] += 1
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in skipped.most_common(5))
        log.warning("%s: skipped %d files that are not pictures (%s)", folder, skipped.total(), kinds)
    if not found:
        yield folder


class Copies:
    """The folder of annotated copies. Nothing in it is ever overwritten, because it must be new or empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = real_path(folder)
        with os_errors_as(SettingsError, f"--annotate {folder} can't be used", "name a new folder"):
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise SettingsError(f"--annotate {folder} is not empty: name a new folder, or empty it")

    def write(self, name: str, below: str, jpeg: bytes) -> Path:
        """Write the copy of a picture that was found below this folder, or named by itself if that is "".

        Its name gets a number if another picture's copy has it, and is cut if it is too long for that. Raises
        OutputError if the disk is full.
        """
        inner = Path(os.path.relpath(name, below)) if below else Path(Path(name).name)
        stem = os.fsdecode(os.fsencode(inner.stem)[:MAX_STEM_BYTES])
        wanted = self.folder / inner.with_name(f"{stem}.jpg")
        path, number = wanted, 1
        while path.exists():
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(path) as partial:
                partial.write_bytes(jpeg)
        except OSError as error:
            raise OutputError(f"{path} can't be written: {reason_of(error)}") from None
        return path


def encode_copy(image: Image) -> bytes:
    """Return (H, W, 3) RGB as JPEG, at most COPY_SIDE_PX a side."""
    bgr = cv2.cvtColor(scale_down(image, COPY_SIDE_PX), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, COPY_QUALITY])[1].tobytes()


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() == "__macosx"


def _report(error: OSError) -> None:
    log.warning("%s can't be listed: %s", error.filename, reason_of(error))
