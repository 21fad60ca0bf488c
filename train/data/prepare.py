"""`python -m train prepare`: photographs -> the prepared folder that `cut` reads, naming every fault."""

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
from edge.records import N_LANDMARKS, Array, Image
from train.data.duplicates import perceptual_hash
from train.data.inputs import Item, Problem, list_inputs
from train.data.prepared import PICTURES_NAME, Prepared, open_prepared, refuse_strangers, write_index
from train.data.report import print_survey, survey
from train.data.split import choose_roles, parse_split
from train.replace import replaced_folder

MAX_SIDE_PX = 256
IN_FLIGHT = 128  # pictures decoded ahead: enough for every core, little enough for memory


@dataclass(eq=False)
class Store:
    """The pictures written so far and the index rows that go with them."""

    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    sizes: list[tuple[int, int, int]] = field(default_factory=list)  # height, width, byte offset
    boxes: list[Array] = field(default_factory=list)
    points: list[Array] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `python -m train prepare`."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a manifest.csv; a folder of letters (A/image1.png), or of signers that hold them (anna/A/...); "
        "NAME=FOLDER names the source of a folder",
    )
    parser.add_argument("--output", type=Path, default=Path("prepared"), help="folder that cut reads")
    parser.add_argument(
        "--max-side-px",
        type=int,
        default=MAX_SIDE_PX,
        help="longer pictures are scaled down to this long side",
    )
    parser.add_argument(
        "--split",
        nargs="+",
        default=[],
        metavar="SOURCE=ROLE",
        help="a source's role: train, validation or test; otherwise as the manifest says",
    )


def main(args: argparse.Namespace) -> int:
    """Prepares, prints what it found; 0 also where single files were left out."""
    prepare(args.inputs, args.output, args.max_side_px, args.split)
    return 0


def prepare(
    inputs: Sequence[str], output: Path, max_side_px: int = MAX_SIDE_PX, split: Sequence[str] = ()
) -> Prepared:
    """Writes and opens `output`; DataError where nothing could be read or the disk is full."""
    if max_side_px < 32:
        raise DataError(f"--max-side-px {max_side_px} is too small for a hand; at least 32 was wanted")
    wanted = parse_split(split)
    items, problems = list_inputs(inputs)
    with replaced_folder(output, refuse_strangers) as folder:
        with (folder / PICTURES_NAME).open("wb") as file:
            store = _store_pictures(items, file, max_side_px)
        store.problems = problems + store.problems
        if not store.items:
            first = store.problems[0] if store.problems else Problem(str(inputs[0]), "it lists no pictures")
            raise DataError(f"no picture could be prepared; the first problem: {first.file}: {first.why}")
        arrays = _index(store)
        arrays["role"], warnings = choose_roles(arrays, wanted)
        report = survey(arrays, store.problems, warnings)
        report["inputs"], report["max_side_px"] = list(inputs), max_side_px
        print_survey(report)
        write_index(folder, arrays, report)
    print(f"wrote {output}: {len(store.items):,} pictures")
    return open_prepared(output)


def _store_pictures(items: Sequence[Item], file: BinaryIO, max_side_px: int) -> Store:
    """Decodes on every core, writes in the order of `items`."""
    store, offset = Store(), 0
    for item, read in zip(items, _read_all(items, max_side_px), strict=True):
        try:
            image, scale, digest = read.result()
        except PictureError as error:
            why = str(error).removeprefix(f"{item.path}: ")
            store.problems.append(Problem(item.file, why))
            continue
        file.write(image.tobytes())
        box, points, faults = _annotations(item, image.shape[1] / scale, image.shape[0] / scale)
        store.problems += [Problem(item.file, fault, False) for fault in faults]
        store.items.append(item)
        store.sizes.append((image.shape[0], image.shape[1], offset))
        store.boxes.append(np.asarray(box * scale, np.float32))
        store.points.append(np.asarray(points * scale, np.float32))
        store.hashes.append(digest)
        offset += image.nbytes
    return store


def _read_all(items: Sequence[Item], max_side_px: int) -> Iterator["Future[tuple[Image, float, int]]"]:
    """In order, with a progress bar. OpenCV lets go of the interpreter while it decodes, so threads do."""
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
    """The picture as it is stored, its scale to the file's px, and its perceptual hash."""
    image = read_picture(path)
    height, width = image.shape[:2]
    scale = min(1.0, max_side_px / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return image, scale, perceptual_hash(image)


def _annotations(item: Item, width: float, height: float) -> tuple[Array, Array, list[str]]:
    """Box (4,) and points (21, 2) in px of the file, NaN where there are none, and what was dropped."""
    no_box, no_points = np.full(4, np.nan, np.float32), np.full((N_LANDMARKS, 2), np.nan, np.float32)
    size, box, points, faults = item.size_px, item.box_xyxy, item.points, []
    # A px of rounding is no fault: the scaled picture's size was rounded.
    if size is not None and max(abs(size[0] - width), abs(size[1] - height)) > 0.02 * max(width, height) + 1:
        if box is not None or points is not None:
            faults.append(
                f"box and points dropped: the manifest says {size[0]:.0f}x{size[1]:.0f} px, "
                f"the upright picture has {width:.0f}x{height:.0f}"
            )
        return no_box, no_points, faults
    if box is not None and not (
        box[0] < box[2]
        and box[1] < box[3]
        and box[0] < width
        and box[1] < height
        and box[2] > 0
        and box[3] > 0
    ):
        faults.append("box dropped: it is empty or outside the picture")
        box = None
    if points is not None:
        # A hand may reach out of the picture, a whole picture's length out is a mistake.
        low, high = points.min(axis=0), points.max(axis=0)
        if (
            (low < (-width, -height)).any()
            or (high > (2 * width, 2 * height)).any()
            or not (high > low).all()
        ):
            faults.append("points dropped: far outside the picture, or all in one line")
            points = None
    return no_box if box is None else box, no_points if points is None else points, faults


def _index(store: Store) -> dict[str, Any]:
    height, width, offset = zip(*store.sizes, strict=True)
    items = store.items
    return {
        **{
            name: np.array([getattr(i, name) for i in items]) for name in ("file", "letter", "source", "role")
        },
        "kind": np.array([item.kind for item in items]),
        "licence": np.array([item.licence for item in items]),
        "height": np.array(height, np.int32),
        "width": np.array(width, np.int32),
        "offset": np.array(offset, np.int64),
        "box_xyxy": np.stack(store.boxes),
        "points": np.stack(store.points),
        "phash": np.array(store.hashes, np.uint64),
    }
