"""A checkpoint and prepared pictures that export in seconds: a real AslNet that reads these pictures.

Every letter is a scene of its own colours. The ResNet is random and its last layer is solved for the
pictures, so that float32 reads all of them and a bad quantisation reads fewer. The landmark heads are
zero, because no picture shows a hand.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge.geometry import MARGIN
from edge.preprocess import to_tensor
from edge.records import LETTERS, N_LANDMARKS, Image
from support.made_pictures import save, scene
from train.data.prepare import prepare
from train.data.prepared import Prepared
from train.model.checkpoint import write_checkpoint
from train.model.network import LANDMARK_WEIGHT, AslNet

SIZE_PX = 128
SOME = "ABCDEF"
# Seeds of scenes in which the palm detector finds nothing, so that they are read whole.
PALMLESS = dict(zip(SOME, (99, 124, 77, 135, 146, 105), strict=True))
PER_LETTER = 4
ANNA_TRAINED = {
    "sources": ["anna"],
    "pictures": len(SOME) * PER_LETTER,
    "left_out": ["ben"],
    "validated_on": [],
    "seed": 0,
    "seconds": 90.0,
    "command": "python -m train fit --data /home/somebody/prepared --leave-out ben",
    "device": "cpu",
}


def picture(letter: str, number: int) -> Image:
    """Return (128, 128, 3): the letter's scene with a little noise."""
    noise = np.random.default_rng([ord(letter), number]).normal(0, 6, (SIZE_PX, SIZE_PX, 3))
    return np.clip(scene(PALMLESS[letter], SIZE_PX, SIZE_PX) + noise, 0, 255).astype(np.uint8)


def prepared_pictures(folder: Path) -> Prepared:
    """Prepare two sources: anna trains, ben is left out."""
    for source, shift in (("anna", 0), ("ben", 100)):
        for letter in SOME:
            for number in range(PER_LETTER):
                save(
                    folder / "photographs" / source / letter / f"{number}.png",
                    picture(letter, number + shift),
                )
    split = ["anna=train", "ben=validation"]
    return prepare([str(folder / "photographs")], folder / "prepared", split=split)


def trained_checkpoint(path: Path, prepared: Prepared, **changes: Any) -> Path:
    """Write a checkpoint as fit does, of a network that reads every picture of ben."""
    torch.manual_seed(0)
    model = AslNet().train()
    images = torch.from_numpy(
        np.concatenate([to_tensor(prepared.picture(i)) for i in prepared.rows(["ben"]).tolist()])
    )
    with torch.no_grad():
        for _ in range(20):  # set batch-norm statistics from the pictures
            model(images)
        model.eval()
        features: list[torch.Tensor] = []
        hook = model.trunk.fc.register_forward_pre_hook(lambda _, args: features.append(args[0]))
        model(images)
        hook.remove()
        _solve_last_layer(model, features[0].double(), prepared.letter[prepared.rows(["ben"])].tolist())
    state = {
        "model": model.state_dict(),
        "size_px": SIZE_PX,
        "temperature": 1.0,
        "presence_threshold": 0.5,
        "training": ANNA_TRAINED,
        "history": [],
    }
    write_checkpoint(path, state | changes)
    return path


def add_outlier(path: Path) -> None:
    """Change a checkpoint so that float32 reads as before and int8 can't.

    One of the 512 features becomes so large that a step of 1/255 of its range swallows all others. The last
    layer does not use it.
    """
    state = torch.load(path, weights_only=True)
    state["model"]["trunk.layer4.1.bn2.bias"][0] += 1e4
    state["model"]["trunk.fc.weight"][:, ::512] = 0  # its mean and its two weighted means
    write_checkpoint(path, state)


def _solve_last_layer(model: AslNet, features: torch.Tensor, letters: list[str]) -> None:
    """Solve for 10 for the right letter and 0 for the others, a hand everywhere, landmarks all around."""
    for head in (model.reading.fc, model.upright.fc):
        head.weight.zero_()
        head.bias.zero_()
    model.hand.points.weight.zero_()
    reach = 1 / (2 * MARGIN)  # so that the next square is the same
    model.hand.points.bias.copy_(torch.linspace(0.5 - reach, 0.5 + reach, N_LANDMARKS).repeat_interleave(2))
    alone = 1 / (1 - LANDMARK_WEIGHT)  # because the landmark head contributes 0
    right = torch.tensor([[alone * 10.0 * (letter == one) for one in LETTERS] for letter in letters])
    present = torch.full((len(letters), 1), alone * 4.0)
    landmarks = torch.zeros(len(letters), 2 * N_LANDMARKS)  # the ResNet's own, which are not used
    target = torch.cat([right, present, landmarks], 1).double()
    mean = features.mean(0)
    centred = features - mean
    ridge = 1e-3 * centred.square().sum() / len(centred)
    inverse = torch.linalg.inv(centred @ centred.T + ridge * torch.eye(len(centred)))
    weight = (target - target.mean(0)).T @ inverse @ centred  # (69, 1536)
    model.trunk.fc.weight.copy_(weight.float())
    model.trunk.fc.bias.copy_((target.mean(0) - weight @ mean).float())
