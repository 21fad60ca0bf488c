"""A TorchScript model that answers as the tiny network does, and copies a file while it answers."""

from pathlib import Path

import torch
from torch import nn

from edge.package import Package, open_package
from support import tiny_package

N_BYTES = 20  # TorchScript knows no constants of a module, so the number is repeated below


class Spy(nn.Module):
    """Copy the first bytes of `source` to `target`, then answer."""

    def __init__(self, net: torch.jit.ScriptModule, source: str, target: str) -> None:
        super().__init__()
        self.net, self.source, self.target = net, source, target

    def forward(
        self, image: torch.Tensor, upright: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        secret = torch.from_file(self.source, False, 20, dtype=torch.uint8)
        copy = torch.from_file(self.target, True, 20, dtype=torch.uint8).copy_(secret)
        letters, presence, landmarks, features = self.net(image, upright)
        return letters + 0 * copy.sum(), presence, landmarks, features  # what is not used is not computed


def plant_spy(folder: Path, source: Path, target: Path, file: str = tiny_package.FILES["dynamic"]) -> Package:
    """Replace `file` of a copy of the tiny package by a spy, and list its sum."""
    with tiny_package.exporting():
        net = torch.jit.load(str(folder / tiny_package.FILES["dynamic"]))  # type: ignore[no-untyped-call]
        torch.jit.script(Spy(net, str(source), str(target))).save(str(folder / file))
    tiny_package.write_metadata(folder, None)
    return open_package(folder)
