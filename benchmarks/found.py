"""Hands found and letters read in whole camera pictures (kind `frame`), in which the hand is small.

    python benchmarks/found.py PACKAGE... [--prepared FOLDER]

Each package reads all such pictures of the sources that its training left out, as `evaluate` does.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge.engines import open_engine
from edge.package import open_package
from edge.records import LETTERS
from train.data.prepared import open_prepared
from train.evaluate.evaluate import evaluate_engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--prepared", type=Path, default=Path("prepared"))
    args = parser.parse_args()
    prepared = open_prepared(args.prepared)
    is_frame = (prepared.kind == "frame") & np.isin(prepared.letter, LETTERS)
    results = []
    for folder in args.packages:
        package = open_package(folder)
        engine = open_engine(package)
        for source in package.metadata["training"]["left_out"]:
            if (mine := is_frame & (prepared.source == source)).any():
                rows = np.flatnonzero(mine)
                metrics = evaluate_engine(engine, package, prepared, rows, os.cpu_count() or 1)
                results.append((source, len(rows), metrics.box_found, metrics.accuracy))
    for source, n, found, right in results:
        print(f"{source:12}{n:6} pictures{found:8.1%} found{right:8.1%} right")
    _, n, found, right = zip(*results, strict=True)
    print(f"{'all':12}{sum(n):6} pictures{np.average(found, weights=n):8.1%} found", end="")
    print(f"{np.average(right, weights=n):8.1%} right")


if __name__ == "__main__":
    main()
