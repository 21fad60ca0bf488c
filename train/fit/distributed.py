"""Where a process of `fit` computes; several processes share each epoch under torchrun."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from tqdm import tqdm


@dataclass(frozen=True)
class DistContext:
    """The device of this process, and its place among the processes of torchrun."""

    device: torch.device
    rank: int
    world: int
    workers: int  # processes that load crops for this one

    def progress(self, total: int, done: int) -> "tqdm[Any]":
        """Open a bar with the time left, in rank 0 only; a log file gets few lines."""
        interval = None if sys.stderr.isatty() else max(1, total // 50)
        return tqdm(total=total, initial=done, disable=self.rank > 0, unit="step", miniters=interval)


@contextmanager
def join_processes(workers: int) -> Iterator[DistContext]:
    """Join the processes that torchrun started, or compute alone."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield DistContext(device, rank, world, workers)
    finally:
        if world > 1:
            dist.destroy_process_group()
