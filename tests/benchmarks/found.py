"""Hands found and letters read in whole camera pictures (`frame` in the manifest), the hand small.

    python tests/benchmarks/found.py PACKAGE... [--data MANIFEST]

Each package reads all of those of the sources that its training left out, as `predict` does. Found is a hand
whose box overlaps the labelled one by FOUND_IOU or more.
"""

import argparse
import csv
from pathlib import Path

from sure import DATA, Row, reader_of

from edge.hand import HandReader
from edge.pictures import read_picture
from edge.records import LETTERS
from train.scores import FOUND_IOU, box_iou

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "frame" and row["letter"] in LETTERS]
    every: list[tuple[bool, bool]] = []
    for folder in args.packages:
        reader, left_out = reader_of(folder)
        for source in left_out:
            of_source = [row for row in rows if row["source"] == source and row["box_x0"]]
            answers = [found_and_right(reader, row, args.data.parent) for row in of_source]
            if answers:
                tell(source, answers)
                every += answers
    tell("all", every)


def found_and_right(reader: HandReader, row: Row, folder: Path) -> tuple[bool, bool]:
    prediction = reader.read(read_picture(folder / row["file"]))
    x0, y0, x1, y1 = (float(row[name]) for name in BOX)
    hand = prediction.hand
    found = hand is not None and box_iou(hand.box_xyxy, (x0, y0, x1, y1)) >= FOUND_IOU
    return found, prediction.letter == row["letter"]


def tell(name: str, answers: list[tuple[bool, bool]]) -> None:
    n = max(len(answers), 1)
    found, right = (sum(column) for column in zip(*answers, strict=True)) if answers else (0, 0)
    print(f"{name:12}{len(answers):6} pictures{found / n:8.1%} found{right / n:8.1%} right", flush=True)


if __name__ == "__main__":
    main()
