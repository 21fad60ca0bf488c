"""What teaching with a few pictures per letter gains on a source's other pictures.

    python benchmarks/teach.py PACKAGE... --source NAME... [--pictures 5] [--most N] [--data MANIFEST]
        [--compare]

A package is measured on the named sources that its training left out, and with --seen also on the others,
which is printed. Every picture is read as `asl-edge predict` does, before and after teaching. --compare also
measures other corrections and other features, on the last view only.
"""

import argparse
import csv
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edge.engines import open_engine
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.hand.tracker import HandTracker
from edge.package import FEATURES, Package, open_package
from edge.personalize.correction import GAIN, RIDGE, CorrectedEngine, Correction, Examples, fit
from edge.pictures import read_picture
from edge.records import LETTERS, Array, Frame, Image, Output

DATA = Path("../shared/data/asl-frames/manifest.csv")
BY_LANDMARKS = 256  # the last of the features (train.model.network.HIDDEN)
REPEATS = 3  # each time with other pictures

FIND = MediaPipePalmDetector()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="+", type=Path)
    parser.add_argument("--source", nargs="+", required=True)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--most", type=int, help="pictures per source, drawn at random; by default all")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--seen", action="store_true", help="also measure on sources that the network was trained on"
    )
    parser.add_argument("--compare", action="store_true")
    args = parser.parse_args()
    print(
        f"taught with {args.pictures} pictures per letter, measured on the source's others, {REPEATS} times"
    )
    print(f"{'source':12} {'pictures':>8} {'before':>7} {'after':>7} {'errors gone':>12}")
    for folder in args.packages:
        package = open_package(folder)
        if FEATURES not in package.output_shapes:
            raise SystemExit(f"{folder} gives no features: export it again")
        left_out = package.metadata["training"]["left_out"]
        for source in args.source:
            if source in left_out or args.seen:
                remark = "" if source in left_out else "  the network was TRAINED on these: too good"
                measure(package, source, pictures_of(args.data, source, args.most), args, remark)


def pictures_of(manifest: Path, source: str, most: int | None, seed: int = 0) -> list[tuple[str, Image]]:
    """Return (letter, picture) of a source, the same ones every time."""
    with manifest.open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == source and row["letter"] in LETTERS]
    if not rows:
        raise SystemExit(f"{manifest} has no source {source}")
    rows = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))[:most]]
    return [(row["letter"], read_picture(manifest.parent / row["file"])) for row in rows]


def measure(
    package: Package,
    source: str,
    pictures: list[tuple[str, Image]],
    args: argparse.Namespace,
    remark: str,
) -> None:
    engine = CorrectedEngine(open_engine(package))
    truth = [letter for letter, _ in pictures]
    before = _read(engine, package, [image for _, image in pictures])
    examples = examples_of(engine, package, pictures)
    rights: list[tuple[float, float]] = []
    others: dict[str, list[float]] = {}
    for repeat in range(REPEATS):
        taught = chosen(truth, args.pictures, np.random.default_rng(repeat))
        rest = np.setdiff1d(np.arange(len(truth)), taught)
        engine.correction = fit(examples.select(both_views(taught)), package.temperature)
        after = _read(engine, package, [pictures[i][1] for i in rest])
        engine.correction = None
        rights.append(
            (
                float(np.mean([before[i] == truth[i] for i in rest])),
                float(np.mean([said == truth[i] for said, i in zip(after, rest, strict=True)])),
            )
        )
        if args.compare:
            known, asked = both_views(taught), both_views(rest)
            for name, fraction in ways(examples, known, asked, package.temperature).items():
                others.setdefault(name, []).append(fraction)
    first, last = np.mean(rights, axis=0)
    gone = (last - first) / max(1 - first, 1e-9)
    print(f"{source:12} {len(rest):8d} {first:7.1%} {last:7.1%} {gone:12.1%}{remark}", flush=True)
    for name, shares in others.items():
        print(f"    {name:44} {np.mean(shares):7.1%}")


def chosen(truth: list[str], pictures: int, rng: np.random.Generator) -> Array:
    """Return the indices of this many pictures of each letter."""
    order = rng.permutation(len(truth))
    return np.concatenate(
        [[i for i in order if truth[i] == letter][:pictures] for letter in sorted(set(truth))]
    )


def examples_of(engine: CorrectedEngine, package: Package, pictures: list[tuple[str, Image]]) -> Examples:
    """Record examples as a device does, two rows per picture.

    The hand is found in one frame and followed into the next two; the features of both views are kept.
    """
    newest: list[Output] = []

    def remember(tensor: Array, upright: bool = False) -> Output:
        newest.append(engine(tensor, upright))
        return newest[-1]

    outputs = []
    for _, image in pictures:
        tracker = HandTracker(remember, package.spec, palm_detector=FIND)
        tracker.follow(Frame(image, 0.0, 0))
        for index in (1, 2):
            tracker.follow(Frame(image, 0.1 * index, index))
            outputs.append(newest[-1])
        newest.clear()
    return Examples(
        np.concatenate([output.features for output in outputs]),
        np.concatenate([output.letters for output in outputs]),
        np.repeat([LETTERS.index(letter) for letter, _ in pictures], 2),
    )


def both_views(pictures: Array) -> Array:
    """Return the rows of these pictures in the result of `examples_of`."""
    return np.concatenate([2 * pictures, 2 * pictures + 1])


def _read(engine: CorrectedEngine, package: Package, images: Iterable[Image]) -> list[str | None]:
    """Return each picture's letter, read whole."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(
            pool.map(
                lambda image: HandReader(engine, package.spec, palm_detector=FIND).read(image).letter, images
            )
        )


def ways(examples: Examples, taught: Array, rest: Array, temperature: float) -> dict[str, float]:
    """Return the fraction of the last views' letters read right, by correction."""
    known, asked = examples.select(taught), examples.select(rest)

    def accuracy(added: Array) -> float:
        return float(((asked.logits / temperature + added).argmax(1) == asked.letters).mean())

    kinds: dict[str, Callable[[Examples], Array]] = {
        "features": lambda some: some.features,
        "the ResNet's features": lambda some: some.features[:, :-BY_LANDMARKS],
        "the landmark part's features": lambda some: some.features[:, -BY_LANDMARKS:],
        "logits": lambda some: some.logits,
    }
    shares = {"the network alone": accuracy(np.zeros_like(asked.logits))}
    for kind, take in kinds.items():
        one = Examples(take(known), known.logits, known.letters)
        correction: Correction = fit(one, temperature)
        shares[f"kernel ridge on {kind} (what is used)"] = accuracy(
            correction(take(asked), asked.logits) / temperature
        )
        shares[f"linear ridge on {kind}"] = accuracy(_linear(one, take(asked), temperature))
        shares[f"nearest centroid on {kind}"] = accuracy(_centroids(one, take(asked)))
    return shares


def _linear(known: Examples, asked: Array, temperature: float) -> Array:
    mean = known.features.mean(0)
    scale = np.sqrt(np.square(known.features - mean).sum(1).mean())
    one, two = (known.features - mean) / scale, (asked - mean) / scale
    powers = np.exp((known.logits - known.logits.max(1, keepdims=True)) / temperature)
    lacking = np.eye(len(LETTERS))[known.letters] - powers / powers.sum(1, keepdims=True)
    solved = np.linalg.solve(one @ one.T + 0.09 + RIDGE * np.eye(len(one)), lacking)
    return np.asarray(GAIN * (two @ one.T + 0.09) @ solved)


def _centroids(known: Examples, asked: Array) -> Array:
    mean = known.features.mean(0)
    added = np.zeros((len(asked), len(LETTERS)))
    for letter in set(known.letters.tolist()):
        centre = known.features[known.letters == letter].mean(0) - mean
        cosine = (asked - mean) @ centre / np.linalg.norm(asked - mean, axis=1) / np.linalg.norm(centre)
        added[:, letter] = cosine / 0.1
    return added


if __name__ == "__main__":
    main()
