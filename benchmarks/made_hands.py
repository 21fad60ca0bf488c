"""Draw a sheet of rendered hands, A to Z and some that sign no letter, as `cut` adds them to photographs.

Usage: PYTHONPATH=. python benchmarks/made_hands.py SHEET.png [SEED]
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from edge.records import LETTERS
from edge.synthetic.background import make_background
from train.synthetic.rendered import render_hand

SIDE_PX, COLUMNS = 140, 10


def main(sheet: Path, seed: int) -> int:
    """Write the sheet and return 0, or 1 if it can't be written."""
    tiles = []
    for number, letter in enumerate([*LETTERS, *[None] * 4]):
        rng = np.random.default_rng([seed, number])
        background = make_background(rng, SIDE_PX)
        hand = render_hand(rng, letter, SIDE_PX, background=background, hand_fraction=(0.6, 0.85))
        tile = np.ascontiguousarray(hand.image[..., ::-1])
        cv2.putText(
            tile, letter or "none", (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255), 1, cv2.LINE_AA
        )
        tiles.append(tile)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    if not cv2.imwrite(str(sheet), np.vstack(rows)):
        print(f"{sheet} can't be written", file=sys.stderr)
        return 1
    print(f"wrote {sheet}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sheet", type=Path, help="picture to write, .jpg or .png")
    parser.add_argument("seed", type=int, nargs="?", default=0)
    arguments = parser.parse_args()
    raise SystemExit(main(arguments.sheet, arguments.seed))
