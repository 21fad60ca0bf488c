"""python -m soak.package PACKAGE FOLDER makes a package that reads a letter from the brightness of a picture.

FOLDER gets a taught file for it.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from soak.looper import LEVELS, NO_HAND
from support.tiny_package import N_FEATURES, TinyNet, build_tiny_package

from edge.personalize.correction import Examples
from edge.personalize.taught_file import locate_taught_file
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS

SHARPNESS = 60.0  # of the border between two letters
OFFSET = 3.0  # added to normalised brightness, to be positive
EXAMPLES = 10  # of a letter


def main(package_folder: Path, state_folder: str) -> None:
    package = build_tiny_package(package_folder, net=make_net())
    features = np.zeros((len(LEVELS) * EXAMPLES, N_FEATURES), np.float32)
    features[:, 0] = np.repeat([brightness(level) for level in LEVELS.values()], EXAMPLES)
    features += np.random.default_rng(0).normal(0, 0.01, features.shape)
    letters = np.repeat([LETTERS.index(letter) for letter in LEVELS], EXAMPLES)
    logits = 8 * np.eye(len(LETTERS), dtype=np.float32)[letters]
    file = locate_taught_file(package, "float", state_folder)
    file.save(Examples(features.astype(np.float32), logits, letters))


def make_net() -> TinyNet:
    """Return a network whose letter is the one with the nearest level; above all levels there is no hand."""
    net = TinyNet()
    first, second = net.trunk[0], net.trunk[2]
    angles = torch.arange(N_LANDMARKS) * (2 * torch.pi / (N_LANDMARKS - 1))
    circle = 0.5 + 0.3 * torch.stack([angles.cos(), angles.sin()], dim=1).flatten()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        first.weight[0], first.bias[0] = 1 / first.weight[0].numel(), OFFSET
        second.weight[0, 0] = 1 / second.weight[0, 0].numel()
        net.head.bias[: net.n_letters] = -1000.0
        for letter, level in LEVELS.items():
            value = brightness(level)
            net.head.weight[LETTERS.index(letter), 0] = 2 * SHARPNESS * value
            net.head.bias[LETTERS.index(letter)] = -SHARPNESS * value**2
        highest = (brightness(LEVELS["O"]) + brightness(NO_HAND)) / 2
        net.head.weight[net.n_letters, 0] = -20.0
        net.head.bias[net.n_letters] = 20.0 * highest
        net.head.bias[net.n_letters + 1 :] = circle.logit()
    return net


def brightness(level: int) -> float:
    """Return the network's first feature for a picture of one grey level."""
    return float(np.mean((level / 255 - np.array(MEAN_RGB)) / np.array(STD_RGB))) + OFFSET


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
