"""A package with every variant, through the real export; its random features read the golden hands."""

from pathlib import Path

import numpy as np

from edge.records import LETTERS
from export.__main__ import main as export
from support.golden_inputs import hand_picture
from support.golden_logits import main as write_logits
from support.made_pictures import save
from support.tiny_export import SIZE_PX, trained_checkpoint
from train.data.prepare import prepare

PER_LETTER = 2


def build(folder: Path) -> Path:
    """Build the package and return its folder, which also holds its golden_logits.json."""
    for source in ("anna", "ben"):
        for letter in LETTERS:
            for number in range(PER_LETTER):
                noise = np.random.default_rng([ord(source[0]), ord(letter), number]).normal(
                    0, 3, (SIZE_PX, SIZE_PX, 3)
                )
                image = np.clip(hand_picture(SIZE_PX, letter) + noise, 0, 255).astype(np.uint8)
                save(folder / "photographs" / source / letter / f"{number}.png", image)
    split = ["anna=train", "ben=validation"]
    prepared = prepare([str(folder / "photographs")], folder / "prepared", split=split)
    checkpoint = trained_checkpoint(folder / "model.pt", prepared)
    package = folder / "deployment_package"
    flags = [
        "--checkpoint",
        checkpoint,
        "--data",
        prepared.folder,
        "--output",
        package,
        "--quick",
        "--accept-drop",
    ]
    assert export([str(flag) for flag in flags]) == 0
    write_logits(package, package / "golden_logits.json")
    return package
