"""`python -m train people`: make pictures of people who sign letters, as a folder that `prepare` reads.

made/
  manifest.csv    one row a picture, as `prepare` takes it; it grows, so that a stopped run continues
  00000.webp ...  whole pictures: near and far hands, faces, the other hand
"""

import argparse
import csv
import multiprocessing
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.geometry import hand_box
from edge.records import LETTERS, Array
from train.data.inputs import BOX_COLUMNS, LANDMARK_COLUMNS
from train.synthetic.people import SOURCE
from train.synthetic.people.scene import draw_scene

MANIFEST = "manifest.csv"
LICENCE = "Apache-2.0 (Anny)"
COLUMNS = (
    "file",
    "kind",
    "letter",
    "source",
    "role",
    "licence",
    "width",
    "height",
    *BOX_COLUMNS,
    *LANDMARK_COLUMNS,
)
SIZE_PX = 320
IDLE_FRACTION, NO_HAND_FRACTION = 0.1, 0.05  # of the pictures: a hand that signs no letter, and no hand
QUALITIES = (60, 96)  # of the WebP compression
ONE_THREAD = {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "1"}  # of a process: torch, and Mesa's renderer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train people`."""
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=Path("made"),
        help="folder to write, or to continue after a stopped run",
    )
    add("--pictures", type=int, default=12000, help="number of pictures")
    add("--size-px", type=int, default=SIZE_PX, help="side of a picture")
    add("--seed", type=int, default=0, help="the same seed gives the same pictures")
    add("--workers", type=int, default=os.cpu_count() or 1, help="number of processes")


def main(args: argparse.Namespace) -> int:
    """Make the pictures that are not yet in the folder; return 0."""
    if args.pictures < 1:
        raise DataError(f"--pictures must be 1 or more, got {args.pictures}")
    done = _open_folder(args.output)
    make = partial(_make, args.output, args.size_px, args.seed)
    os.environ |= ONE_THREAD
    positions = range(done, args.pictures)
    # OpenGL does not survive a fork
    with (
        (args.output / MANIFEST).open("a", newline="", encoding="utf-8") as file,
        multiprocessing.get_context("spawn").Pool(args.workers) as pool,
        tqdm(total=args.pictures, initial=done, unit="picture") as bar,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        for row in pool.imap(make, positions, chunksize=4):
            writer.writerow(row)
            file.flush()
            bar.update(1)
    print(f"wrote {args.output}: {args.pictures:,} pictures of people that are made")
    return 0


def _open_folder(folder: Path) -> int:
    """Return how many pictures the folder holds; raise DataError if it holds something else."""
    path = folder / MANIFEST
    if not path.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} exists and was not written by people: name another --output")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
        return 0
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if not lines or lines[0].strip() != ",".join(COLUMNS):
        raise DataError(f"{path} was not written by people: name another --output")
    if not lines[-1].endswith("\n"):  # a run was killed while it wrote
        lines.pop()
        path.write_text("".join(lines), encoding="utf-8")
    return len(lines) - 1


def _draw_label(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < NO_HAND_FRACTION:
        return "nothing"
    return "del" if kind < NO_HAND_FRACTION + IDLE_FRACTION else LETTERS[rng.integers(len(LETTERS))]


def _make(folder: Path, size_px: int, seed: int, position: int) -> dict[str, Any]:
    """Make picture number `position`, which depends on (seed, position) only; return its row."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, position])
    label = _draw_label(rng)
    scene = draw_scene(rng, label if label in LETTERS else None, size_px, hand=label != "nothing")
    image, landmarks = scene.image, scene.landmarks
    if rng.random() < 0.5:  # a left hand
        image = image[:, ::-1]
        if landmarks is not None:
            landmarks[:, 0] = size_px - 1 - landmarks[:, 0]
    name = f"{position:06d}.webp"
    quality = [cv2.IMWRITE_WEBP_QUALITY, int(rng.integers(*QUALITIES))]
    cv2.imwrite(str(folder / name), cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), quality)
    about = {
        "file": name,
        "kind": "frame",
        "letter": label,
        "source": SOURCE,
        "role": "train",
        "licence": LICENCE,
    }
    return {**about, "width": size_px, "height": size_px, **dict(_annotate(landmarks))}


def _annotate(landmarks: Array | None) -> Iterator[tuple[str, str]]:
    if landmarks is None:
        return
    box = hand_box(np.asarray(landmarks, np.float32))
    for name, value in zip((*BOX_COLUMNS, *LANDMARK_COLUMNS), (*box, *landmarks.ravel()), strict=True):
        yield name, f"{float(value):.1f}"
