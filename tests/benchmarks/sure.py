"""What a threshold of confidence lets through: letters read right, letters read wrong, hands that sign none.

    python tests/benchmarks/sure.py PACKAGE... [--most 200] [--data MANIFEST]

Each package reads pictures of the sources that its training left out, as `predict` does, at the temperature
of the shipped model. One picture stands for one event: of that, `edge.letters` asks SURE_ENOUGH.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.engines import USUAL_VARIANT, open_engine
from edge.hand import HandReader
from edge.letters import SURE_ENOUGH
from edge.package import DEFAULT_MODEL, open_package
from edge.palm import PalmFinder
from edge.pictures import read_picture
from edge.records import LETTERS

DATA = Path("../shared/data/asl-frames/manifest.csv")
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)
OTHERS = ("nothing", "space", "del")

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
    right, wrong = [], []
    for folder in args.packages:
        reader, left_out = reader_of(folder)
        for source in left_out:
            of_source = [row for row in rows if row["source"] == source]
            letters = some([row for row in of_source if row["letter"] in LETTERS], args.most)
            passed, is_right = read(reader, letters, args.data.parent)
            right.append((passed & is_right).mean(axis=0))
            wrong.append((passed & ~is_right).mean(axis=0))
            show(f"{source}, right", percent(right[-1]))
            show(f"{source}, wrong", percent(wrong[-1]))
            for label in OTHERS:
                if labelled := some([row for row in of_source if row["letter"] == label], args.most):
                    passed, _ = read(reader, labelled, args.data.parent)
                    show(f"{source}, `{label}` gives a letter", percent(passed.mean(axis=0)))
    show("mean of the sources, right", percent(np.mean(right, axis=0)))
    show("mean of the sources, wrong", percent(np.mean(wrong, axis=0)))
    print(f"an event asks {SURE_ENOUGH:g}")


def reader_of(folder: Path) -> tuple[HandReader, list[str]]:
    """And the sources that it has not seen."""
    package = replace(open_package(folder), temperature=open_package(DEFAULT_MODEL).temperature)
    engine = open_engine("onnx", package, USUAL_VARIANT["onnx"], 2)
    return HandReader(engine, package, find=PalmFinder(2)), package.metadata["training"]["left_out"]


def some(rows: list[Row], most: int) -> list[Row]:
    """The same ones every time."""
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:most]]


def read(reader: HandReader, rows: list[Row], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, thresholds) whether a letter passes each, and (N, 1) whether it is right."""
    found = [reader.read(read_picture(folder / row["file"])) for row in rows]
    passed = [[p.letter is not None and p.confidence >= t for t in THRESHOLDS] for p in found]
    return np.array(passed), np.array(
        [[p.letter == row["letter"]] for p, row in zip(found, rows, strict=True)]
    )


def percent(shares: np.ndarray) -> list[str]:
    return [f"{share:.1%}" for share in shares]


def show(what: str, cells: list[str]) -> None:
    print(f"{what:36}" + "".join(f"{cell:>9}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
