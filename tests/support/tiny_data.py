"""Small training data that tests make: painted hands in folders of letters, and crops of them."""

from pathlib import Path

import cv2
import numpy as np

from train.__main__ import main as train
from train.synthetic.drawn import draw_hand


def write_letters(folder: Path, letters: str, per_letter: int, seed: int, size_px: int = 64) -> Path:
    """Write folder/A/0.png ... for each letter; another seed gives another set of pictures."""
    rng = np.random.default_rng(seed)
    for letter in letters:
        (folder / letter).mkdir(parents=True, exist_ok=True)
        for number in range(per_letter):
            image = draw_hand(rng, letter, size_px).image
            cv2.imwrite(str(folder / letter / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def write_two_signers(folder: Path, letters: str = "ABC", per_letter: int = 8) -> Path:
    """Write folder/anna/A/0.png, folder/ben/A/0.png ...: two sources, as `prepare` detects them."""
    write_letters(folder / "anna", letters, per_letter, seed=1)
    write_letters(folder / "ben", letters, per_letter, seed=2)
    return folder


def write_crops(folder: Path, crops: int) -> Path:
    """Prepare and cut two signers, anna to train and ben to validate; return the folder of crops.

    The prepared folder is beside it.
    """
    write_two_signers(folder / "photographs")
    prepare = ["prepare", folder / "photographs", "--output", folder / "prepared"]
    cut = ["cut", "--data", folder / "prepared", "--output", folder / "crops", "--crops", crops]
    assert run_train(*prepare, "--split", "anna=train", "ben=validation") == 0
    assert run_train(*cut) == 0
    return folder / "crops"


def run_train(*arguments: object) -> int:
    """Run `python -m train` in this process, which spares the import of torch, and return its exit code."""
    return train([str(argument) for argument in arguments])
