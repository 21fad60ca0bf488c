"""`python -m train fit`: train a network on the crops of `cut`.

A run is a folder: last.pt (written after every epoch; a killed run resumes from it), model.pt (to export:
the best epoch on validation pictures, or the last one), history.json. First the landmark heads are fitted,
then the ResNet is trained, then the landmark network's last blocks are finetuned. Under `torchrun` the
processes share every epoch of the ResNet (DistributedDataParallel).
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from edge.errors import DataError
from train.crops.store import Crops, open_crops
from train.data.prepared import Prepared, open_prepared
from train.fit.dataset import EpochPositions, Lighting, LitCrops, Sample
from train.fit.distill import DistillNet
from train.fit.distributed import DistContext, join_processes
from train.fit.epoch import EpochPlan, train_epoch
from train.fit.finetune import Finetuner
from train.fit.landmark_head import fit_landmark_head, stored_features
from train.fit.loss import normalise
from train.fit.options import Options, add_arguments, read_options
from train.fit.run_state import LAST_BLOCKS, RESNET, RunState, has_stopped_improving, read_resumable
from train.fit.training_set import choose_crops, describe_training, hold_back
from train.model.init_weights import MALVIZ, init_model, restore_batch_norm
from train.model.landmark_network import HandNetwork
from train.model.network import AslNet

__all__ = ["add_arguments", "fit", "main"]

NORM_CROPS, NORM_STRENGTH = 256, 0.3  # crops, and their relighting, that restore folded batch norms


def main(args: argparse.Namespace) -> int:
    """Train as the flags say; return 0."""
    crops = open_crops(Path(args.crops))
    prepared = open_prepared(Path(crops.about["data"]))
    if len(prepared) != crops.about["pictures"]:
        raise DataError(
            f"{args.crops} was cut from {crops.about['pictures']} pictures, but {prepared.folder} holds "
            f"{len(prepared)} now: run python -m train cut again into another folder"
        )
    options = read_options(args, prepared)
    with join_processes(args.workers) as context:
        fit(crops, prepared, options, args.run, context, args.command_line)
    return 0


def fit(
    crops: Crops, prepared: Prepared, options: Options, folder: Path, context: DistContext, command_line: str
) -> None:
    """Train a network, or resume the run that `folder` holds.

    Raises DataError if the options don't fit the crops, or the folder holds another run.
    """
    torch.manual_seed(options.seed)
    held_back, validation_rows = hold_back(prepared, options)
    rows = choose_crops(crops, prepared, held_back)
    training = describe_training(crops, prepared, asdict(options), held_back, validation_rows, command_line)
    steps = _count_steps(crops, rows, options, context)
    state = read_resumable(folder, options)
    model = AslNet() if state is not None else _start_model(crops, rows, options, context)
    for head in (model.reading, model.upright):
        head.requires_grad_(requires_grad=False)
    # The optimizer is made for weights on their device, so that its resumed state follows them there.
    network = DistillNet(model).to(context.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(_group_parameters(network, options.weight_decay), lr=options.learning_rate)
    run = RunState(folder, model, prepared, validation_rows, options, training, context)
    if state is not None:
        model.load_state_dict(state["model"])
        run.resume(state)
        if "projections" in state:
            network.projections.load_state_dict(state["projections"])
            optimizer.load_state_dict(state["optimizer"])
    run.make_folder()  # only now, so that unusable flags leave nothing behind
    _train_resnet(network, optimizer, run, crops, rows, options, steps, context)
    if context.rank == 0:
        _finetune(model, run, crops, rows, options, state, context)


def _count_steps(crops: Crops, rows: np.ndarray, options: Options, context: DistContext) -> int:
    """Return the steps of an epoch; raise DataError if the options don't fit the crops."""
    largest_px, stored_px = max(options.epoch_sizes()), crops.image.shape[1]
    if largest_px > stored_px:
        raise DataError(
            f"--schedule asks for {largest_px} px, but {options.crops} holds pictures of {stored_px} px: "
            f"cut others with --picture-px {largest_px}"
        )
    samples = options.samples or len(rows)
    if samples < options.batch:
        raise DataError(f"{samples} crops fill no batch of {options.batch}: choose a smaller --batch")
    if options.batch < context.world:
        raise DataError(
            f"--batch is shared by {context.world} processes and must be {context.world} or more, "
            f"got {options.batch}"
        )
    return samples // options.batch


def _start_model(crops: Crops, rows: np.ndarray, options: Options, context: DistContext) -> AslNet:
    """Initialise a network and fit its landmark heads."""
    model = init_model(options.init)
    if options.init == MALVIZ:
        restore_batch_norm(model, _load_images(crops, rows, options.epoch_sizes()[0]))
    model.hand = HandNetwork()  # a checkpoint's was finetuned on other pictures
    upright, held = (
        fit_landmark_head(head, stored_features(crops, rows, is_upright), crops, rows, options.seed)
        for head, is_upright in ((model.upright, True), (model.reading, False))
    )
    if context.rank == 0:
        print(
            f"landmark heads alone: {held:.1%} of the crops' letters right, {upright:.1%} turned upright",
            file=sys.stderr,
        )
    return model


def _load_images(crops: Crops, rows: np.ndarray, size_px: int) -> torch.Tensor:
    """Return (N, 3, T, T) normalised, up to NORM_CROPS crops as the first epoch shows them."""
    lit = LitCrops(crops, rows, Lighting(size_px, NORM_STRENGTH, 0, 0))
    images = [lit[position]["image"] for position in range(min(NORM_CROPS, len(rows)))]
    return normalise(torch.stack(images))


def _group_parameters(network: DistillNet, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and batch norms do not."""
    trained = [p for p in network.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _train_resnet(
    network: DistillNet,
    optimizer: torch.optim.Optimizer,
    run: RunState,
    crops: Crops,
    rows: np.ndarray,
    options: Options,
    steps: int,  # of an epoch
    context: DistContext,
) -> None:
    """Train the epochs that are left of the schedule; none if finetuning has begun."""
    wrapped = DistributedDataParallel(network) if context.world > 1 else network
    sizes = options.epoch_sizes()
    with context.progress(steps * len(sizes), steps * len(run.epochs(RESNET))) as progress:
        while len(run.epochs(RESNET)) < len(sizes) and not run.epochs(LAST_BLOCKS):
            if has_stopped_improving(run.epochs(RESNET), options.patience):
                break
            epoch, started_s = len(run.epochs(RESNET)), time.perf_counter()
            lighting = Lighting(sizes[epoch], options.strength_at(epoch), options.seed, epoch)
            loader = _load(LitCrops(crops, rows, lighting), options.batch, steps, context)
            plan = EpochPlan(
                step=epoch * steps,
                total_steps=len(sizes) * steps,
                learning_rate=options.learning_rate,
                landmarks_weight=options.points_weight,
                hint_weight=options.hint_weight,
            )
            report = {"part": RESNET, "size_px": lighting.size_px, "strength": round(lighting.strength, 3)}
            report |= train_epoch(wrapped, optimizer, loader, plan, context, progress)
            run.finish_epoch(report, started_s, projections=network.projections, optimizer=optimizer)
            run.sync()


def _load(crops: LitCrops, batch: int, steps: int, context: DistContext) -> "DataLoader[Sample]":
    return DataLoader(
        crops,
        batch_size=batch // context.world,
        sampler=EpochPositions(steps * batch, context.rank, context.world),
        num_workers=context.workers,
        prefetch_factor=4 if context.workers else None,
        pin_memory=context.device.type == "cuda",
        drop_last=True,
    )


def _finetune(
    model: AslNet,
    run: RunState,
    crops: Crops,
    rows: np.ndarray,
    options: Options,
    state: dict[str, Any] | None,  # content of the last.pt that the run resumes
    context: DistContext,
) -> None:
    """Finetune for the epochs that are left, beginning with the best epoch of the ResNet."""
    done, epochs = len(run.epochs(LAST_BLOCKS)), options.blocks_epochs
    if run.epochs(RESNET) and not done:
        run.load_best_model()
    finetuner = Finetuner(model, crops, rows, options.seed, epochs)
    if done and state is not None:
        finetuner.optimizer.load_state_dict(state["optimizer"])
    with context.progress(finetuner.steps * epochs, finetuner.steps * done) as progress:
        for epoch in range(done, epochs):
            started_s = time.perf_counter()
            report = {"part": LAST_BLOCKS, **finetuner.train_epoch(epoch, progress)}
            run.finish_epoch(report, started_s, optimizer=finetuner.optimizer)
