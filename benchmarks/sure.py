"""What a confidence threshold lets through: right and wrong letters, and letters where nobody signs.

    python benchmarks/sure.py PACKAGE... [--most 200] [--data MANIFEST]

Each package reads pictures of the sources that its training left out, as `predict` does, at the temperature
of the shipped model. One picture stands for one event, which `edge.letters.filter` sends from the setting
`min_mean_confidence` on.
Pictures without a letter are those labelled so, and squares cut beside the hands: faces, arms, rooms.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge.engines import open_engine
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.models import DEFAULT_MODEL
from edge.package import open_package
from edge.pictures import read_picture
from edge.preprocess import crop_square
from edge.records import LETTERS, Image, Prediction
from edge.settings import Settings
from train.crops.geometry import find_background
from train.data.inputs import LANDMARK_COLUMNS

DATA = Path("../shared/data/asl-frames/manifest.csv")
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)
OTHERS = ("nothing", "space", "del")
SIDE_PX, ATTEMPTS = 320, 10  # of a square beside the hand, and tries to find one

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=200, help="pictures per source, and per other label")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = list(csv.DictReader(file))
    print_row("confidence of at least", [f"{t:g}" for t in THRESHOLDS])
    right, wrong, beside = [], [], []
    for folder in args.packages:
        reader, left_out = open_reader(folder)
        for source in left_out:
            of_source = [row for row in rows if row["source"] == source]
            letters = choose([row for row in of_source if row["letter"] in LETTERS], args.most)
            found = read_all(reader, read_pictures(letters, args.data.parent))
            is_right = np.array([[p.letter == row["letter"]] for p, row in zip(found, letters, strict=True)])
            right.append((passes(found) & is_right).mean(axis=0))
            wrong.append((passes(found) & ~is_right).mean(axis=0))
            print_row(f"{source}, right", format_percents(right[-1]))
            print_row(f"{source}, wrong", format_percents(wrong[-1]))
            for label in OTHERS:
                if labelled := choose([row for row in of_source if row["letter"] == label], args.most):
                    found = read_all(reader, read_pictures(labelled, args.data.parent))
                    print_row(
                        f"{source}, `{label}` gives a letter", format_percents(passes(found).mean(axis=0))
                    )
            beside.append(passes(read_all(reader, cut_beside_the_hand(letters, args.data.parent))))
            print_row(
                f"{source}, {len(beside[-1])} beside the hand", format_percents(beside[-1].mean(axis=0))
            )
    print_row("mean of the sources, right", format_percents(np.mean(right, axis=0)))
    print_row("mean of the sources, wrong", format_percents(np.mean(wrong, axis=0)))
    print_row(
        f"all {sum(map(len, beside))} beside the hand", format_percents(np.concatenate(beside).mean(axis=0))
    )
    print(f"the loop sends letters from {Settings().min_mean_confidence:g} on")


def open_reader(folder: Path) -> tuple[HandReader, list[str]]:
    """Return a reader with the package, and the sources that its training left out."""
    package = replace(open_package(folder), temperature=open_package(DEFAULT_MODEL).temperature)
    engine = open_engine(package, threads=2)
    reader = HandReader(engine, package.spec, palm_detector=MediaPipePalmDetector(2))
    return reader, package.metadata["training"]["left_out"]


def choose(rows: list[Row], most: int) -> list[Row]:
    """Choose at most `most` rows, the same ones every time."""
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:most]]


def read_pictures(rows: list[Row], folder: Path) -> Iterator[Image]:
    return (read_picture(folder / row["file"]) for row in rows)


def cut_beside_the_hand(rows: list[Row], folder: Path) -> Iterator[Image]:
    """Yield a square of each picture that holds next to nothing of its hand, if there is room for one."""
    rng = np.random.default_rng(0)
    for row, image in zip(rows, read_pictures(rows, folder), strict=True):
        if not row[LANDMARK_COLUMNS[0]]:
            continue
        landmarks = np.array([row[name] for name in LANDMARK_COLUMNS], np.float32).reshape(-1, 2)
        squares = (find_background(rng, image, landmarks) for _ in range(ATTEMPTS))
        if square := next(filter(None, squares), None):
            yield crop_square(image, square, SIDE_PX)


def read_all(reader: HandReader, images: Iterator[Image]) -> list[Prediction]:
    return [reader.read(image) for image in images]


def passes(found: list[Prediction]) -> np.ndarray:
    """Return (N, thresholds), whether a letter passes each threshold."""
    return np.array(
        [[p.letter is not None and p.confidence >= t for t in THRESHOLDS] for p in found], bool
    ).reshape(len(found), len(THRESHOLDS))


def format_percents(fractions: np.ndarray) -> list[str]:
    return [f"{fraction:.1%}" for fraction in fractions]


def print_row(what: str, cells: list[str]) -> None:
    print(f"{what:36}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
