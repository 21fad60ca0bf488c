"""Accuracy in the dark, and what brightening dark pictures gains (`edge.preprocess.brighten`).

    python benchmarks/dark.py PACKAGE... [--most 40] [--data MANIFEST]

Each package reads pictures of the sources that its training left out, as `predict` does, with a fraction of
their light and sensor noise: unchanged, and brightened.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from sure import DATA, Row, choose, format_percents, open_reader, print_row

from edge.hand.reader import HandReader
from edge.pictures import read_picture
from edge.preprocess import brighten
from edge.records import LETTERS, Image

LIGHT = (1.0, 0.3, 0.13, 0.08, 0.03)  # fractions of the picture's light
NOISE = 0.003  # standard deviation, of the sensor's full scale
GAMMA = 2.2  # between the light and the stored value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=40, help="pictures per source")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = list(csv.DictReader(file))
    print_row("letters read right, with light of", [f"{light:g}" for light in LIGHT])
    ways: dict[str, Callable[[Image], Image]] = {"as it is": lambda image: image, "brightened": brighten}
    by_way: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    for folder in args.packages:
        reader, left_out = open_reader(folder)
        for source in left_out:
            chosen = choose([r for r in rows if r["source"] == source and r["letter"] in LETTERS], args.most)
            for way, lighten in ways.items():
                with patch("edge.hand.reader.brighten", lighten):
                    accuracies = [
                        measure_accuracy(reader, chosen, args.data.parent, light) for light in LIGHT
                    ]
                by_way[way].append(np.array(accuracies))
                print_row(f"{source}, {way}", format_percents(by_way[way][-1]))
    for way, each in by_way.items():
        print_row(f"mean of the sources, {way}", format_percents(np.mean(each, axis=0)))


def measure_accuracy(reader: HandReader, rows: list[Row], folder: Path, light: float) -> float:
    rng = np.random.default_rng(0)
    pictures = (darken(rng, read_picture(folder / row["file"]), light) for row in rows)
    return float(
        np.mean([reader.read(p).letter == row["letter"] for p, row in zip(pictures, rows, strict=True)])
    )


def darken(rng: np.random.Generator, picture: Image, light: float) -> Image:
    """Reduce the light of (H, W, 3) and add sensor noise; with all of its light the picture is unchanged."""
    if light == 1:
        return picture
    linear = (picture / 255.0) ** GAMMA * light
    linear += rng.normal(0, NOISE, picture.shape)
    return np.asarray(np.clip(linear, 0, 1) ** (1 / GAMMA) * 255, np.uint8)


if __name__ == "__main__":
    main()
