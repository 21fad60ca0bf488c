"""What this machine answers, as JSON: golden inputs by logits, photographs by letters, each read in one look
at the square around its hand. Runs on both sides.

answer.py OUTPUT PACKAGE... [--photographs LIST]
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from support.golden_logits import engine_of, logits_of  # noqa: E402  the checkout is put on the path above

from edge.geometry import MARGIN, SKIN, square_around  # noqa: E402
from edge.package import open_package  # noqa: E402
from edge.pictures import read_picture  # noqa: E402
from edge.preprocess import crop_square, to_tensor  # noqa: E402
from edge.records import LETTERS, Box, Engine  # noqa: E402


def main() -> None:
    """Answer with every ONNX variant of every package; photographs with the first package's first variant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--photographs", type=Path)
    args = parser.parse_args()
    answers: dict[str, object] = {}
    for folder in args.packages:
        package = open_package(folder)
        for variant in [variant for variant, file in package.files.items() if file.suffix == ".onnx"]:
            engine = engine_of(package, variant)
            answers[f"{folder.name} {variant}"] = logits_of(package, engine)
    if args.photographs:
        package = open_package(args.packages[0])
        engine = engine_of(package, next(iter(package.files)))
        answers["photographs"] = [
            letter(engine, package.size_px, **photograph)
            for photograph in json.loads(args.photographs.read_text())
        ]
    args.output.write_text(json.dumps(answers))


def letter(engine: Engine, size_px: int, file: str, box: Box) -> str:
    """What one look at the hand in `box`, px, says."""
    crop = crop_square(read_picture(Path(file)), square_around(box, MARGIN / (1 + 2 * SKIN)), size_px)
    return LETTERS[int(engine(to_tensor(crop)).letters.argmax())]


if __name__ == "__main__":
    main()
