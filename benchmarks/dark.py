"""What is read in the dark, and what brightening dark pictures is worth (`edge.preprocess.brighten`).

    python benchmarks/dark.py PACKAGE... [--most 40] [--data MANIFEST]

Each package reads pictures of the sources that its training left out, as `predict` does, with so much of
their light and a sensor's noise: as they are, and brightened.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from sure import DATA, Row, build_reader, percent, show, some

from edge.hand.reader import HandReader
from edge.pictures import read_picture
from edge.preprocess import brighten
from edge.records import LETTERS, Image

LIGHT = (1.0, 0.3, 0.13, 0.08, 0.03)
NOISE = 0.003  # of the sensor's full scale, standard deviation
GAMMA = 2.2  # between the light and what a picture stores of it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=40, help="pictures of a source")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = list(csv.DictReader(file))
    show("letters read right, with light of", [f"{share:g}" for share in LIGHT])
    ways: dict[str, Callable[[Image], Image]] = {"as it is": lambda image: image, "brightened": brighten}
    of_all: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    for folder in args.packages:
        reader, left_out = build_reader(folder)
        for source in left_out:
            mine = some([r for r in rows if r["source"] == source and r["letter"] in LETTERS], args.most)
            for way, lighten in ways.items():
                with patch("edge.hand.reader.brighten", lighten):
                    shares = [right(reader, mine, args.data.parent, light) for light in LIGHT]
                of_all[way].append(np.array(shares))
                show(f"{source}, {way}", percent(of_all[way][-1]))
    for way, each in of_all.items():
        show(f"mean of the sources, {way}", percent(np.mean(each, axis=0)))


def right(reader: HandReader, rows: list[Row], folder: Path, light: float) -> float:
    rng = np.random.default_rng(0)
    pictures = (darkened(rng, read_picture(folder / row["file"]), light) for row in rows)
    return float(
        np.mean([reader.read(p).letter == row["letter"] for p, row in zip(pictures, rows, strict=True)])
    )


def darkened(rng: np.random.Generator, picture: Image, light: float) -> Image:
    """(H, W, 3): so much of its light, and a sensor's noise; with all of it, the picture itself."""
    if light == 1:
        return picture
    linear = (picture / 255.0) ** GAMMA * light
    linear += rng.normal(0, NOISE, picture.shape)
    return np.asarray(np.clip(linear, 0, 1) ** (1 / GAMMA) * 255, np.uint8)


if __name__ == "__main__":
    main()
