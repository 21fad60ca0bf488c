"""Write the outputs of this machine as JSON: logits of the golden inputs, and letters of photographs.

A photograph is read in one view, the square around its hand. This runs on both machines.

answer.py OUTPUT PACKAGE... [--photographs LIST]
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from support.golden_logits import compute_logits, open_variant  # noqa: E402  the checkout is put on the path above

from edge.geometry import MARGIN, SKIN, square_around  # noqa: E402
from edge.package import open_package  # noqa: E402
from edge.pictures import read_picture  # noqa: E402
from edge.preprocess import crop_square, to_tensor  # noqa: E402
from edge.records import LETTERS, Box, Engine  # noqa: E402


def main() -> None:
    """Run every ONNX variant of every package; photographs are read with the first of all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--photographs", type=Path)
    args = parser.parse_args()
    outputs: dict[str, object] = {}
    for folder in args.packages:
        package = open_package(folder)
        for variant in [variant for variant, file in package.files.items() if file.suffix == ".onnx"]:
            engine = open_variant(package, variant)
            outputs[f"{folder.name} {variant}"] = compute_logits(package, engine)
    if args.photographs:
        package = open_package(args.packages[0])
        engine = open_variant(package, next(iter(package.files)))
        outputs["photographs"] = [
            letter(engine, package.size_px, **photograph)
            for photograph in json.loads(args.photographs.read_text())
        ]
    args.output.write_text(json.dumps(outputs))


def letter(engine: Engine, size_px: int, file: str, box: Box) -> str:
    """Return the letter of one view of the hand in `box`, px."""
    crop = crop_square(read_picture(Path(file)), square_around(box, MARGIN / (1 + 2 * SKIN)), size_px)
    return LETTERS[int(engine(to_tensor(crop)).letters.argmax())]


if __name__ == "__main__":
    main()
