"""`python -m train fit`: a prepared folder -> a trained checkpoint.

A run is a folder: last.pt (written after every epoch; a killed run goes on from it), model.pt (what to
export: the best epoch on unseen sources, or the last one), history.json. Under `torchrun` each process
takes its share of every epoch (DistributedDataParallel).
"""

import argparse
import json
import os
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from edge.errors import DataError
from train.checkpoint import new_network, read_checkpoint, write_checkpoint
from train.dataset import EpochPositions, Mix, Sample, TrainingCrops
from train.epoch import Pace, Place, train_epoch
from train.options import Options, add_arguments, read_options
from train.prepared import Prepared, open_prepared
from train.start import start_model, start_teacher
from train.teacher import Learner
from train.validate import validate

__all__ = ["add_arguments", "fit", "main"]

# On an unseen source 0.5 left a twelfth of the hands unread, and 0.3 read two points more of them right; what
# refuses pictures without a letter is its low confidence.
PRESENCE_THRESHOLD = 0.3


def main(args: argparse.Namespace) -> int:
    """Train as the flags say; 0 at the end."""
    prepared = None if args.data == "none" else open_prepared(Path(args.data))
    options = read_options(args, prepared)
    place = _join(args.workers)
    try:
        fit(prepared, options, args.run, place)
    finally:
        if place.world > 1:
            dist.destroy_process_group()
    return 0


def fit(prepared: Prepared | None, options: Options, run: Path, place: Place) -> None:
    """Train, or go on with the run that the folder holds. Rank 0 alone validates and writes."""
    torch.manual_seed(options.seed)
    rows = _training_rows(prepared, options)
    sizes = options.epoch_sizes()
    samples = options.samples or len(rows)
    steps = samples // options.batch
    if steps < 1:
        raise DataError(f"{samples} pictures fill no batch of {options.batch}: choose a smaller --batch")

    state = _resumable(run, options)
    model = start_model(options.network, options.init) if state is None else new_network(options.network)
    learner = Learner(model, start_teacher(options.teacher))
    optimizer = torch.optim.AdamW(_groups(learner, options.weight_decay), lr=options.learning_rate)
    history: list[dict[str, Any]] = []
    spent_s, best = 0.0, -1.0
    if state is not None:
        model.load_state_dict(state["model"])
        learner.projections.load_state_dict(state["projections"])
        optimizer.load_state_dict(state["optimizer"])
        history, spent_s, best = state["history"], state["training"]["seconds"], state["best"]
    learner = learner.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = DistributedDataParallel(learner) if place.world > 1 else learner
    run.mkdir(parents=True, exist_ok=True)  # only now: flags that can't be used leave nothing behind

    with _progress(steps * len(sizes), steps * len(history), place) as progress:
        while len(history) < len(sizes) and not _stopped_improving(history, options.patience):
            epoch, started = len(history), time.perf_counter()
            strength = options.strength_at(epoch)
            mix = Mix(sizes[epoch], strength, options.synthetic_share, options.seed, epoch)
            loader = _loader(TrainingCrops(prepared, rows, mix), options.batch, steps, place)
            pace = Pace(
                epoch * steps,
                len(sizes) * steps,
                options.learning_rate,
                options.points_weight,
                options.hint_weight,
                options.imitation if learner.names_letters else 0.0,
            )
            report: dict[str, Any] = {"epoch": epoch, "size_px": mix.size_px, "strength": round(strength, 3)}
            report |= train_epoch(network, optimizer, loader, pace, place, progress)
            if place.rank == 0:
                checked = None
                if prepared is not None and options.validate:
                    chosen_on = np.flatnonzero(np.isin(prepared.source, options.validate))
                    checked = validate(model, prepared, chosen_on, sizes[-1], place.device)
                report["validation"] = None if checked is None else checked.report()
                report["seconds"] = round(time.perf_counter() - started, 1)
                spent_s += report["seconds"]
                better = checked is None or checked.accuracy > best
                best = max(best, checked.accuracy) if checked is not None else best
                shared = {
                    "network": options.network,
                    "model": model.state_dict(),
                    "size_px": sizes[-1],
                    "temperature": options.temperature if checked is None else checked.temperature,
                    "presence_threshold": PRESENCE_THRESHOLD,
                    "training": _story(prepared, rows, options, spent_s),
                    "history": [*history, report],
                }
                if better:
                    write_checkpoint(run / "model.pt", shared)
                resume = {
                    "projections": learner.projections.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "best": best,
                    "options": asdict(options),
                }
                write_checkpoint(run / "last.pt", {**shared, **resume})
                (run / "history.json").write_text(json.dumps([*history, report], indent=1), encoding="utf-8")
                tqdm.write(_line(report), file=sys.stderr)
            history.append(_from_rank_0(report, place))


def _loader(crops: TrainingCrops, batch: int, steps: int, place: Place) -> "DataLoader[Sample]":
    return DataLoader(
        crops,
        batch_size=batch // place.world,
        sampler=EpochPositions(steps * batch, place.rank, place.world),
        num_workers=place.workers,
        prefetch_factor=4 if place.workers else None,
        pin_memory=place.device.type == "cuda",
        drop_last=True,
    )


def _groups(learner: Learner, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and batch norm do not."""
    learning = [p for p in learner.parameters() if p.requires_grad]
    weights = [p for p in learning if p.ndim > 1]
    others = [p for p in learning if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _training_rows(prepared: Prepared | None, options: Options) -> np.ndarray:
    if prepared is None:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(~np.isin(prepared.source, options.leave_out + options.validate))
    if len(rows) == 0:
        raise DataError("no source is left to train on: leave out or validate on fewer")
    return rows


def _stopped_improving(history: list[dict[str, Any]], patience: int) -> bool:
    scores = [h["validation"]["accuracy"] for h in history if h["validation"]]
    return bool(patience and len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience]))


def _resumable(run: Path, options: Options) -> dict[str, Any] | None:
    """The state to go on from, or None for a new run; DataError where the folder holds another run."""
    if not (run / "last.pt").exists():
        return None
    state = read_checkpoint(run / "last.pt")
    now, then = asdict(options), state.get("options", {})
    differ = sorted(key for key in now if now[key] != then.get(key))
    if differ:
        raise DataError(
            f"{run} holds a run with another {', '.join(differ)}: give --run a new folder, or the same flags"
        )
    return state


def _story(prepared: Prepared | None, rows: np.ndarray, options: Options, seconds: float) -> dict[str, Any]:
    """What the deployment package tells of the training."""
    return {
        "sources": sorted(set(prepared.source[rows].tolist())) if prepared is not None else [],
        "pictures": len(rows),
        "left_out": options.leave_out,
        "validated_on": options.validate,
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "command": shlex.join(["python", "-m", "train", *sys.argv[1:]]),
        "options": asdict(options),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def _line(report: dict[str, Any]) -> str:
    checked = report["validation"]
    unseen = f", unseen sources {checked['accuracy']:.1%}" if checked else ""
    return (
        f"epoch {report['epoch']} at {report['size_px']} px: loss {report['loss']:.3f}, "
        f"letters {report['letter_accuracy']:.1%} of augmented crops{unseen}, "
        f"waited for data {report['data_wait_fraction']:.1%}, {report['seconds']:.0f} s"
    )


def _progress(total: int, done: int, place: Place) -> "tqdm[Any]":
    """A bar with the time left; in a log file a line a while instead of a line a step."""
    seldom = None if sys.stderr.isatty() else max(1, total // 50)
    return tqdm(total=total, initial=done, disable=place.rank > 0, unit="step", miniters=seldom)


def _from_rank_0(report: dict[str, Any], place: Place) -> dict[str, Any]:
    """The first process's report, in every process: it decides when to stop."""
    if place.world > 1:
        box = [report]
        dist.broadcast_object_list(box)
        return box[0]
    return report


def _join(workers: int) -> Place:
    """Join the processes that torchrun started, or compute alone."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    return Place(device, rank, world, workers)
