"""Small training data that tests make: hands drawn by the shipped signer, saved as folders of letters."""

from pathlib import Path

import cv2
import numpy as np

from train.synthetic.drawn import draw_hand


def write_letters(folder: Path, letters: str, per_letter: int, seed: int, size_px: int = 64) -> Path:
    """folder/A/0.png ... of each letter; another seed is another set of pictures."""
    rng = np.random.default_rng(seed)
    for letter in letters:
        (folder / letter).mkdir(parents=True, exist_ok=True)
        for number in range(per_letter):
            image = draw_hand(rng, letter, size_px).image
            cv2.imwrite(str(folder / letter / f"{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def write_two_signers(folder: Path, letters: str = "ABC", per_letter: int = 8) -> Path:
    """folder/anna/A/0.png, folder/ben/A/0.png ...: two sources, as `prepare` detects them."""
    write_letters(folder / "anna", letters, per_letter, seed=1)
    write_letters(folder / "ben", letters, per_letter, seed=2)
    return folder
