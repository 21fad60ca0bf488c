"""What this machine answers, as JSON: golden inputs by logits, photographs by letters. Runs on both sides.

answer.py OUTPUT PACKAGE... [--photographs LIST]
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from golden_logits import engine_of, logits_of  # noqa: E402  the checkout is put on the path above

from edge.hand import HandReader  # noqa: E402
from edge.package import open_package  # noqa: E402
from edge.palm import PalmFinder  # noqa: E402
from edge.pictures import read_picture  # noqa: E402


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
        reader = HandReader(engine_of(package, next(iter(package.files))), package, find=PalmFinder())
        files = args.photographs.read_text().splitlines()
        answers["photographs"] = [reader.read(read_picture(Path(file))).letter for file in files]
    args.output.write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
