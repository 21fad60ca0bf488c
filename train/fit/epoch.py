"""One epoch: the inner loop of training."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader
from tqdm import tqdm

from edge.errors import DataError
from train.fit.loss import losses, normalise
from train.model.landmarker import HINTS

WARM_UP = 0.05  # of all steps: the learning rate rises from 0


@dataclass(frozen=True)
class Place:
    """Where this process computes; several of them (torchrun) share each epoch."""

    device: torch.device
    rank: int
    world: int
    workers: int  # processes that read pictures for this one


@dataclass(frozen=True)
class Pace:
    """How far the run is when the epoch starts, and how fast it learns."""

    step: int
    total_steps: int
    learning_rate: float  # at its highest
    points_weight: float
    hint_weight: float


def train_epoch(
    network: torch.nn.Module,  # a Learner, perhaps inside DistributedDataParallel
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[Any],
    pace: Pace,
    place: Place,
    progress: "tqdm[Any]",
) -> dict[str, Any]:
    """One pass over the loader -> means of the losses, and the share of time spent waiting for pictures."""
    network.train()
    sums = torch.zeros(7, device=place.device)
    started, waited_s, rate = time.perf_counter(), 0.0, 0.0
    batches = iter(loader)
    for step in range(pace.step, pace.step + len(loader)):
        asked = time.perf_counter()
        batch = {name: value.to(place.device, non_blocking=True) for name, value in next(batches).items()}
        waited_s += time.perf_counter() - asked
        rate = pace.learning_rate * rate_at(step / pace.total_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        # bfloat16 halves the time on a GPU; a CPU that had its instructions was slower with it
        with torch.autocast(place.device.type, torch.bfloat16, enabled=place.device.type == "cuda"):
            answers, hint = network(normalise(batch["image"]), [batch[name] for name in HINTS])
        answers = tuple(answer.float() for answer in answers)
        got = losses(answers, batch, pace.points_weight)
        total = got.total + pace.hint_weight * hint
        if not torch.isfinite(total):
            raise DataError(f"the loss is {total.item()} at step {step}: lower --learning-rate")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        parts = (total, got.letter, got.presence, got.points, hint, got.right, got.lettered)
        sums += torch.stack([part.detach().float() for part in parts])
        progress.update(1)
    if place.world > 1:
        dist.all_reduce(sums)
    loss, letter, presence, points, hints, right, lettered = sums.tolist()
    n = len(loader) * place.world
    return {
        "loss": round(loss / n, 4),
        "letter_loss": round(letter / n, 4),
        "presence_loss": round(presence / n, 4),
        "points_loss": round(points / n, 5),
        "hint_loss": round(hints / n, 4),
        "letter_accuracy": round(right / max(lettered, 1), 4),
        "lr": rate,
        "data_wait_fraction": round(waited_s / (time.perf_counter() - started), 4),
    }


def rate_at(done: float) -> float:
    """Share of the run, 0..1 -> share of the learning rate: a linear warm-up, then half a cosine to 1 %."""
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
