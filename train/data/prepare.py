"""`python -m train prepare`: turn photographs into the prepared folder that `cut` reads."""

import argparse
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from tqdm import tqdm

from edge.errors import DataError, PictureError
from edge.pictures import read_picture
from edge.printable import print_line, printable
from edge.records import N_LANDMARKS, Array, Image
from train.data.duplicates import perceptual_hash
from train.data.inputs import Item, Problem, list_inputs
from train.data.prepared import PICTURES_NAME, Prepared, open_prepared, refuse_foreign_folder, write_index
from train.data.report import build_report, print_report
from train.data.split import assign_splits, parse_split
from train.replace import replaced_folder

MAX_SIDE_PX = 256
MIN_SIDE_PX = 32  # a hand in a smaller picture can't be recognised
IN_FLIGHT = 128  # pictures decoded ahead: enough for every core, few enough for memory


@dataclass(eq=False)
class Store:
    """The pictures written so far and their index rows."""

    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sizes: list[tuple[int, int, int]] = field(default_factory=list)  # height, width, byte offset
    boxes: list[Array] = field(default_factory=list)
    landmarks: list[Array] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train prepare`."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a manifest.csv, a folder of letters (A/image1.png), a folder of signers that hold letters "
        "(anna/A/image1.png), or NAME=FOLDER to name the source of a folder",
    )
    parser.add_argument("--output", type=Path, default=Path("prepared"), help="folder to write")
    parser.add_argument(
        "--max-side-px",
        type=int,
        default=MAX_SIDE_PX,
        help="scale larger pictures down until their longer side has this many pixels",
    )
    parser.add_argument(
        "--split",
        nargs="+",
        default=[],
        metavar="SOURCE=SPLIT",
        help="assign a source to train, validation or test, in place of the manifest's role",
    )


def main(args: argparse.Namespace) -> int:
    """Prepare the inputs and print a report; single files that are left out are not an error."""
    prepare(args.inputs, args.output, args.max_side_px, args.split)
    return 0


def prepare(
    inputs: Sequence[str], output: Path, max_side_px: int = MAX_SIDE_PX, split: Sequence[str] = ()
) -> Prepared:
    """Write and open `output`.

    Raises DataError if no picture can be read, the disk is full, or `output` holds something else.
    """
    if max_side_px < MIN_SIDE_PX:
        raise DataError(f"--max-side-px must be {MIN_SIDE_PX} or more, got {max_side_px}")
    requested = parse_split(split)
    items, problems = list_inputs(inputs)
    with replaced_folder(output, refuse_foreign_folder) as folder:
        with (folder / PICTURES_NAME).open("wb") as file:
            store = _store_pictures(items, file, max_side_px)
        store.problems = problems + store.problems
        if not store.items:
            first = store.problems[0] if store.problems else Problem(str(inputs[0]), "it lists no pictures")
            raise DataError(f"no picture could be prepared; the first problem: {first.file}: {first.why}")
        arrays = _build_index(store)
        arrays["split"], warnings = assign_splits(arrays, requested)
        report = build_report(arrays, store.problems, warnings)
        report["inputs"], report["max_side_px"] = list(inputs), max_side_px
        print_report(report)
        write_index(folder, arrays, report)
    print_line(f"wrote {output}: {len(store.items):,} pictures")
    return open_prepared(output)


def _store_pictures(items: Sequence[Item], file: BinaryIO, max_side_px: int) -> Store:
    """Decode on every core and write in the order of `items`."""
    store, offset = Store(), 0
    for item, read in zip(items, _read_all(items, max_side_px), strict=True):
        try:
            image, scale, digest = read.result()
        except PictureError as error:
            why = str(error).removeprefix(printable(f"{item.path}: "))
            store.problems.append(Problem(item.file, why))
            continue
        file.write(image.tobytes())
        box, landmarks, faults = _check_annotations(item, image.shape[1] / scale, image.shape[0] / scale)
        store.problems += [Problem(item.file, fault, False) for fault in faults]
        store.items.append(item)
        store.sizes.append((image.shape[0], image.shape[1], offset))
        store.boxes.append(np.asarray(box * scale, np.float32))
        store.landmarks.append(np.asarray(landmarks * scale, np.float32))
        store.hashes.append(digest)
        offset += image.nbytes
    return store


def _read_all(items: Sequence[Item], max_side_px: int) -> Iterator["Future[tuple[Image, float, int]]"]:
    """Read the pictures in order with a progress bar; OpenCV releases the GIL, so threads suffice."""
    cv2.setNumThreads(1)
    waiting: deque[Future[tuple[Image, float, int]]] = deque()
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(items), unit="picture", disable=None) as bar,
    ):
        for item in items:
            waiting.append(pool.submit(_read_one, item.path, max_side_px))
            if len(waiting) >= IN_FLIGHT:
                yield waiting.popleft()
                bar.update()
        while waiting:
            yield waiting.popleft()
            bar.update()


def _read_one(path: Path, max_side_px: int) -> tuple[Image, float, int]:
    """Return the picture as it is stored, its scale to the file's px, and its perceptual hash."""
    image = read_picture(path)
    height, width = image.shape[:2]
    scale = min(1.0, max_side_px / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image, scale, perceptual_hash(image)


def _check_annotations(item: Item, width: float, height: float) -> tuple[Array, Array, list[str]]:
    """Return box (4,) and landmarks (21, 2) in px of the file, NaN if unknown, and what was dropped."""
    box, landmarks, faults = item.box_xyxy, item.landmarks, []
    size = item.size_px
    # The scaled picture's size was rounded, so a difference of one px is no fault.
    if size is not None and max(abs(size[0] - width), abs(size[1] - height)) > 0.02 * max(width, height) + 1:
        if box is not None or landmarks is not None:
            faults.append(
                f"box and landmarks dropped: the manifest says {size[0]:.0f}x{size[1]:.0f} px, "
                f"the upright picture has {width:.0f}x{height:.0f}"
            )
        box = landmarks = None
    if box is not None and not _overlaps_picture(box, width, height):
        faults.append("box dropped: it is empty or outside the picture")
        box = None
    if landmarks is not None and not _are_plausible(landmarks, width, height):
        faults.append("landmarks dropped: far outside the picture, or all in one line")
        landmarks = None
    return (
        np.full(4, np.nan, np.float32) if box is None else box,
        np.full((N_LANDMARKS, 2), np.nan, np.float32) if landmarks is None else landmarks,
        faults,
    )


def _overlaps_picture(box: Array, width: float, height: float) -> bool:
    x0, y0, x1, y1 = map(float, box)
    return x0 < x1 and y0 < y1 and x0 < width and y0 < height and x1 > 0 and y1 > 0


def _are_plausible(landmarks: Array, width: float, height: float) -> bool:
    """A hand may reach out of the picture, but not by a whole picture's width or height."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    within = (low >= (-width, -height)).all() and (high <= (2 * width, 2 * height)).all()
    return bool(within and (high > low).all())


def _build_index(store: Store) -> dict[str, Any]:
    height, width, offset = zip(*store.sizes, strict=True)
    texts = ("file", "letter", "source", "split", "kind", "licence")
    return {
        **{name: np.array([getattr(item, name) for item in store.items]) for name in texts},
        "height": np.array(height, np.int32),
        "width": np.array(width, np.int32),
        "offset": np.array(offset, np.int64),
        "box_xyxy": np.stack(store.boxes),
        "landmarks": np.stack(store.landmarks),
        "phash": np.array(store.hashes, np.uint64),
    }
