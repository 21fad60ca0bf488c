"""Train the ResNet for one epoch: the inner loop of training."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader
from tqdm import tqdm

from edge.errors import DataError
from train.fit.distributed import DistContext
from train.fit.loss import compute_losses, normalise
from train.model.landmarker import HINTS

WARM_UP = 0.05  # fraction of all steps in which the learning rate rises from 0


@dataclass(frozen=True)
class EpochPlan:
    """Where the epoch begins in the run, and the weights of its losses."""

    step: int
    total_steps: int
    learning_rate: float  # maximum
    landmarks_weight: float
    hint_weight: float


def train_epoch(
    network: torch.nn.Module,  # a DistillNet, perhaps inside DistributedDataParallel
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[Any],
    plan: EpochPlan,
    context: DistContext,
    progress: "tqdm[Any]",
) -> dict[str, Any]:
    """Pass over the loader once; return mean losses and the fraction of time spent waiting for crops.

    Raises DataError if the loss is not finite.
    """
    network.train()
    sums = torch.zeros(7, device=context.device)
    started_s, waited_s, rate = time.perf_counter(), 0.0, 0.0
    batches = iter(loader)
    for step in range(plan.step, plan.step + len(loader)):
        before_s = time.perf_counter()
        batch = {name: value.to(context.device, non_blocking=True) for name, value in next(batches).items()}
        waited_s += time.perf_counter() - before_s
        rate = plan.learning_rate * schedule_rate(step / plan.total_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        # bfloat16 halves the time on a GPU; on CPUs with bfloat16 instructions it was slower
        with torch.autocast(context.device.type, torch.bfloat16, enabled=context.device.type == "cuda"):
            outputs, hint = network(normalise(batch["image"]), [batch[name] for name in HINTS])
        outputs = tuple(output.float() for output in outputs)
        losses = compute_losses(outputs, batch, plan.landmarks_weight)
        total = losses.total + plan.hint_weight * hint
        if not torch.isfinite(total):
            raise DataError(f"the loss is {total.item()} at step {step}: lower --learning-rate")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        parts = (total, losses.letter, losses.presence, losses.landmarks, hint, losses.right, losses.lettered)
        sums += torch.stack([part.detach().float() for part in parts])
        progress.update(1)
    if context.world > 1:
        dist.all_reduce(sums)
    report = _average(sums, len(loader) * context.world)
    waited = waited_s / (time.perf_counter() - started_s)
    return {**report, "lr": rate, "data_wait_fraction": round(waited, 4)}


def _average(sums: torch.Tensor, n: int) -> dict[str, Any]:
    loss, letter, presence, landmarks, hints, right, lettered = sums.tolist()
    return {
        "loss": round(loss / n, 4),
        "letter_loss": round(letter / n, 4),
        "presence_loss": round(presence / n, 4),
        "points_loss": round(landmarks / n, 5),
        "hint_loss": round(hints / n, 4),
        "letter_accuracy": round(right / max(lettered, 1), 4),
    }


def schedule_rate(done: float) -> float:
    """Return the fraction of the learning rate at a fraction of the run.

    It rises linearly during WARM_UP and then falls to 1 % along half a cosine.
    """
    if done < WARM_UP:
        return (done + 1e-3) / WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
