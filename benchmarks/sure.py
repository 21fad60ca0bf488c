"""What a threshold of confidence lets through: letters right and wrong, and what signs none.

    python benchmarks/sure.py PACKAGE... [--most 200] [--data MANIFEST]

Each package reads pictures of the sources that its training left out, as `predict` does, at the temperature
of the shipped model. One picture stands for one event: of that, `edge.letters.filter` asks
MIN_EVENT_CONFIDENCE. What signs no letter are pictures that say so, and squares cut from beside the hands:
faces, arms, rooms.
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
from edge.letters.filter import MIN_EVENT_CONFIDENCE
from edge.models import DEFAULT_MODEL
from edge.package import open_package
from edge.pictures import read_picture
from edge.preprocess import crop_square
from edge.records import LETTERS, Image, Prediction
from train.crops.augment import background_square
from train.data.inputs import POINT_COLUMNS

DATA = Path("../shared/data/asl-frames/manifest.csv")
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)
OTHERS = ("nothing", "space", "del")
SIDE_PX, ATTEMPTS = 320, 10  # of a square beside the hand

Row = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument(
        "--most", type=int, default=200, help="pictures of a source, and of a label of others"
    )
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = list(csv.DictReader(file))
    show("confidence of at least", [f"{t:g}" for t in THRESHOLDS])
    right, wrong, beside = [], [], []
    for folder in args.packages:
        reader, left_out = build_reader(folder)
        for source in left_out:
            of_source = [row for row in rows if row["source"] == source]
            letters = some([row for row in of_source if row["letter"] in LETTERS], args.most)
            found = read(reader, pictures_of(letters, args.data.parent))
            is_right = np.array([[p.letter == row["letter"]] for p, row in zip(found, letters, strict=True)])
            right.append((passed(found) & is_right).mean(axis=0))
            wrong.append((passed(found) & ~is_right).mean(axis=0))
            show(f"{source}, right", percent(right[-1]))
            show(f"{source}, wrong", percent(wrong[-1]))
            for label in OTHERS:
                if labelled := some([row for row in of_source if row["letter"] == label], args.most):
                    found = read(reader, pictures_of(labelled, args.data.parent))
                    show(f"{source}, `{label}` gives a letter", percent(passed(found).mean(axis=0)))
            beside.append(passed(read(reader, beside_the_hand(letters, args.data.parent))))
            show(f"{source}, {len(beside[-1])} beside the hand", percent(beside[-1].mean(axis=0)))
    show("mean of the sources, right", percent(np.mean(right, axis=0)))
    show("mean of the sources, wrong", percent(np.mean(wrong, axis=0)))
    show(f"all {sum(map(len, beside))} beside the hand", percent(np.concatenate(beside).mean(axis=0)))
    print(f"an event asks {MIN_EVENT_CONFIDENCE:g}")


def build_reader(folder: Path) -> tuple[HandReader, list[str]]:
    """And the sources that it has not seen."""
    package = replace(open_package(folder), temperature=open_package(DEFAULT_MODEL).temperature)
    engine = open_engine(package, threads=2)
    reader = HandReader(engine, package.spec, palm_detector=MediaPipePalmDetector(2))
    return reader, package.metadata["training"]["left_out"]


def some(rows: list[Row], most: int) -> list[Row]:
    """The same ones every time."""
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:most]]


def pictures_of(rows: list[Row], folder: Path) -> Iterator[Image]:
    return (read_picture(folder / row["file"]) for row in rows)


def beside_the_hand(rows: list[Row], folder: Path) -> Iterator[Image]:
    """A square of each picture that holds next to nothing of its hand, where there is room for one."""
    rng = np.random.default_rng(0)
    for row, image in zip(rows, pictures_of(rows, folder), strict=True):
        if not row[POINT_COLUMNS[0]]:
            continue
        landmarks = np.array([row[name] for name in POINT_COLUMNS], np.float32).reshape(-1, 2)
        squares = (background_square(rng, image, landmarks) for _ in range(ATTEMPTS))
        if square := next(filter(None, squares), None):
            yield crop_square(image, square, SIDE_PX)


def read(reader: HandReader, images: Iterator[Image]) -> list[Prediction]:
    return [reader.read(image) for image in images]


def passed(found: list[Prediction]) -> np.ndarray:
    """(N, thresholds) whether a letter passes each."""
    return np.array(
        [[p.letter is not None and p.confidence >= t for t in THRESHOLDS] for p in found], bool
    ).reshape(len(found), len(THRESHOLDS))


def percent(shares: np.ndarray) -> list[str]:
    return [f"{share:.1%}" for share in shares]


def show(what: str, cells: list[str]) -> None:
    print(f"{what:36}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
