"""Letters that are sent while nobody signs: a video made of pictures without a letter.

    python benchmarks/quiet.py PACKAGE [--minutes 5] [--fps 10] [--label nothing] [--data MANIFEST]

Each picture of the label fills 640x480 for HELD_S seconds, slowly panned and zoomed, with sensor noise. Every
frame goes through the parts of the loop (find, follow, hold). The output says if the package was trained on
the source. More than half of the `nothing` pictures show a drift hand, open or a fist; they are counted apart
from those in which no palm is found.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from edge.engines import open_engine
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.tracker import HandTracker
from edge.letters.filter import LetterFilter
from edge.package import open_package
from edge.pictures import read_picture
from edge.preprocess import crop_square
from edge.records import Frame, Image

DATA = Path("../shared/data/asl-frames/manifest.csv")
HELD_S = 1.5
WIDTH, HEIGHT = 640, 480
NOISE = 3.0  # standard deviation, of 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--label", default="nothing")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    with args.data.open() as file:
        rows = [row for row in csv.DictReader(file) if row["letter"] == args.label]
    if not rows:
        raise SystemExit(f"{args.data} has no picture labelled {args.label}")
    package = open_package(args.package)
    left_out = package.metadata["training"]["left_out"]
    sources = sorted({row["source"] for row in rows})
    find, rng = MediaPipePalmDetector(2), np.random.default_rng(0)
    tracker = HandTracker(open_engine(package, threads=2), package.spec, palm_detector=find)
    letters = LetterFilter()
    wanted = round(args.minutes * 60 / HELD_S)
    order = [int(i) for i in np.resize(rng.permutation(len(rows)), wanted)]
    events, with_letter, frames = {True: 0, False: 0}, {True: 0, False: 0}, {True: 0, False: 0}
    number = 0
    for i in order:
        picture = read_picture(args.data.parent / rows[i]["file"])
        palm = bool(find(picture))
        for image in drift(picture, round(HELD_S * args.fps), rng):
            prediction = tracker.follow(Frame(image, number / args.fps, number))
            frames[palm] += 1
            with_letter[palm] += prediction.letter is not None
            events[palm] += letters.update(prediction) is not None
            number += 1
    seen = "unseen" if set(sources) <= set(left_out) else "SEEN in training"
    print(
        f"{args.minutes:g} minutes of `{args.label}` at {args.fps:g} frames/s, {', '.join(sources)} ({seen})"
    )
    print(f"{'pictures':24} {'frames':>7} {'called a hand':>14} {'letters sent':>13}")
    for palm, name in ((False, "without a palm"), (True, "with what may be a palm")):
        print(
            f"{name:24} {frames[palm]:7d} {with_letter[palm] / max(1, frames[palm]):14.1%} {events[palm]:13d}"
        )


def drift(picture: Image, frames: int, rng: np.random.Generator) -> list[Image]:
    """Return frames (480, 640, 3) of the picture under a drifting camera."""
    height, width = picture.shape[:2]
    side = min(height, width) * 0.9
    start, end = rng.uniform(-0.05, 0.05, (2, 2)) * side
    shown = []
    for t in np.linspace(0, 1, frames):
        x, y = (1 - t) * start + t * end
        square = (width / 2 + float(x), height / 2 + float(y), side * (1 - 0.05 * float(t)))
        image = crop_square(picture, square, WIDTH)[(WIDTH - HEIGHT) // 2 :][:HEIGHT]
        noisy = image + rng.normal(0, NOISE, image.shape)
        shown.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return shown


if __name__ == "__main__":
    main()
