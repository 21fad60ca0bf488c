"""`python -m train fit`: the crops of `cut` -> a trained checkpoint.

A run is a folder: last.pt (written after every epoch; a killed run goes on from it), model.pt (what to
export: the best epoch on validation pictures, or the last one), history.json. Under `torchrun` each process
takes its share of every epoch of the ResNet's (DistributedDataParallel).
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

from edge.errors import DataError, reason_of
from edge.records import LETTERS
from train.crops.store import NO_PICTURE, Crops, open_crops
from train.data.prepared import Prepared, open_prepared
from train.fit.checkpoint import read_checkpoint, write_checkpoint
from train.fit.dataset import EpochPositions, Light, LitCrops, Sample
from train.fit.distill import Learner
from train.fit.epoch import Pace, Place, train_epoch
from train.fit.finetune import LastBlocks
from train.fit.loss import normalise
from train.fit.options import Options, add_arguments, read_options
from train.fit.validate import validate
from train.model.init_weights import GREY, start_model, unfold
from train.model.landmark_head import fit_reading, stored_features
from train.model.landmark_network import HandNetwork
from train.model.network import AslNet, input_px
from train.replace import replaced_file

__all__ = ["add_arguments", "fit", "main"]

# Of 250 pictures of each of six unseen sources, 98.9 % pass 0.6 (99.7 % pass 0.3, of which it would read 0.2
# points more right); of an unseen source's `nothing` (more than half of which show a hand), 69 % for 81 %.
PRESENCE_THRESHOLD = 0.6
RESNET, LAST_BLOCKS = "ResNet", "last blocks"  # the parts that learn, one after the other


def main(args: argparse.Namespace) -> int:
    """Train as the flags say; 0 at the end."""
    crops = open_crops(Path(args.crops))
    prepared = open_prepared(Path(crops.about["data"]))
    if len(prepared) != crops.about["pictures"]:
        raise DataError(
            f"{args.crops} was cut from {crops.about['pictures']} pictures, and {prepared.folder} holds "
            f"{len(prepared)} now: run python -m train cut again, into another folder"
        )
    options = read_options(args, prepared)
    place = _join(args.workers)
    try:
        fit(crops, prepared, options, args.run, place)
    finally:
        if place.world > 1:
            dist.destroy_process_group()
    return 0


def fit(crops: Crops, prepared: Prepared, options: Options, run: Path, place: Place) -> None:
    """Train, or go on with the run that the folder holds: first the ResNet, then the landmark network's last
    blocks. Rank 0 alone validates and writes, and trains those."""
    torch.manual_seed(options.seed)
    held_back, choosing = pictures_held_back(prepared, options)
    rows = _training_rows(crops, prepared, held_back)
    story = _story(crops, prepared, options, held_back, choosing)
    sizes = options.epoch_sizes()
    if max(sizes) > (stored_px := crops.image.shape[1]):
        raise DataError(
            f"--schedule asks for {max(sizes)} px, and {options.crops} holds pictures of {stored_px}: cut "
            f"others with --picture-px {max(sizes)}"
        )
    samples = options.samples or len(rows)
    steps = samples // options.batch
    if steps < 1:
        raise DataError(f"{samples} crops fill no batch of {options.batch}: choose a smaller --batch")
    if options.batch < place.world:
        raise DataError(
            f"--batch {options.batch} is for all {place.world} processes: wanted one for each or more"
        )

    state = _resumable(run, options)
    model = start_model(options.init) if state is None else AslNet()
    if state is None and options.init == GREY:
        unfold(model, _some(crops, rows, sizes[0]))
    if state is None:
        model.hand = HandNetwork()  # of a checkpoint it has learned from other pictures
        turned = fit_reading(
            model.upright, stored_features(crops, rows, upright=True), crops, rows, options.seed
        )
        said = fit_reading(model.reading, stored_features(crops, rows), crops, rows, options.seed)
        if place.rank == 0:
            words = (
                f"the landmark network's features alone read {said:.1%} of the crops, {turned:.1%} upright"
            )
            print(words, file=sys.stderr)
    model.reading.requires_grad_(requires_grad=False)
    model.upright.requires_grad_(requires_grad=False)
    # onto the device before the optimizer is made: what it remembers of a stopped run follows the weights
    learner = Learner(model).to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(_groups(learner, options.weight_decay), lr=options.learning_rate)
    keeper = Keeper(run, model, prepared, choosing, options, story, place)
    if state is not None:
        model.load_state_dict(state["model"])
        keeper.go_on_from(state)
        if "projections" in state:
            learner.projections.load_state_dict(state["projections"])
            optimizer.load_state_dict(state["optimizer"])
    try:
        run.mkdir(parents=True, exist_ok=True)  # only now: flags that can't be used leave nothing behind
    except OSError as error:
        raise DataError(f"{run} can't be written: {reason_of(error)}") from None
    _fit_resnet(learner, optimizer, keeper, crops, rows, options, steps, place)
    if place.rank == 0:
        _fit_last_blocks(model, keeper, crops, rows, options, state, run, place)


def _fit_resnet(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    keeper: "Keeper",
    crops: Crops,
    rows: np.ndarray,
    options: Options,
    steps: int,  # of an epoch
    place: Place,
) -> None:
    """The epochs that are left of the schedule; none where the last blocks have begun."""
    network = DistributedDataParallel(learner) if place.world > 1 else learner
    sizes = options.epoch_sizes()
    of_resnet = keeper.history_of(RESNET)
    with _progress(steps * len(sizes), steps * len(of_resnet), place) as progress:
        while len(of_resnet) < len(sizes) and not keeper.history_of(LAST_BLOCKS):
            if _stopped_improving(of_resnet, options.patience):
                break
            epoch, started = len(of_resnet), time.perf_counter()
            strength = options.strength_at(epoch)
            light = Light(sizes[epoch], strength, options.seed, epoch)
            loader = _loader(LitCrops(crops, rows, light), options.batch, steps, place)
            pace = Pace(
                epoch * steps,
                len(sizes) * steps,
                options.learning_rate,
                options.points_weight,
                options.hint_weight,
            )
            about = {"part": RESNET, "size_px": light.size_px, "strength": round(strength, 3)}
            report = train_epoch(network, optimizer, loader, pace, place, progress)
            keeper.keep({**about, **report}, started, projections=learner.projections, optimizer=optimizer)
            keeper.agree()
            of_resnet = keeper.history_of(RESNET)


def _fit_last_blocks(
    model: AslNet,
    keeper: "Keeper",
    crops: Crops,
    rows: np.ndarray,
    options: Options,
    state: dict[str, Any] | None,
    run: Path,
    place: Place,
) -> None:
    """The passes that are left; `state` is the last.pt that the run goes on from."""
    of_blocks = keeper.history_of(LAST_BLOCKS)
    if keeper.history_of(RESNET) and not of_blocks:  # from the best epoch, which need not be the last
        model.load_state_dict(read_checkpoint(run / "model.pt")["model"])
    blocks = LastBlocks(model, crops, rows, options.seed, options.blocks_epochs)
    if of_blocks and state is not None:
        blocks.optimizer.load_state_dict(state["optimizer"])
    done, wanted = len(of_blocks), options.blocks_epochs
    with _progress(blocks.steps * wanted, blocks.steps * done, place) as progress:
        for epoch in range(done, wanted):
            started = time.perf_counter()
            report = {"part": LAST_BLOCKS, **blocks.epoch(epoch, progress)}
            keeper.keep(report, started, optimizer=blocks.optimizer)


class Keeper:
    """What a run has come to: after every epoch it is validated, and written to be gone on from."""

    def __init__(
        self,
        run: Path,
        model: AslNet,
        prepared: Prepared,
        choosing: np.ndarray,
        options: Options,
        story: dict[str, Any],
        place: Place,
    ) -> None:
        self._run, self._model, self._prepared, self._choosing = run, model, prepared, choosing
        self._options, self._story, self._place = options, story, place
        self._history: list[dict[str, Any]] = []
        self._spent_s, self._best = 0.0, -1.0

    def go_on_from(self, state: dict[str, Any]) -> None:
        """A last.pt."""
        self._history, self._best = state["history"], state["best"]
        self._spent_s = state["training"]["seconds"]

    def history_of(self, part: str) -> list[dict[str, Any]]:
        """The reports of its epochs."""
        return [report for report in self._history if report["part"] == part]

    def keep(self, about: dict[str, Any], started_s: float, **states: Any) -> None:
        """One more epoch, begun at `started_s`. `states`: what it takes to go on, beside the model."""
        report: dict[str, Any] = {"epoch": len(self._history), **about}
        if self._place.rank == 0:
            self._write(report, started_s, states)
        self._history.append(report)

    def agree(self) -> None:
        """In every process the last report is the first one's: it decides when to stop."""
        if self._place.world > 1:
            box = [self._history[-1]]
            dist.broadcast_object_list(box)
            self._history[-1] = box[0]

    def _write(self, report: dict[str, Any], started_s: float, states: dict[str, Any]) -> None:
        options, size_px = self._options, input_px(self._options.epoch_sizes()[-1])
        checked = None
        if len(self._choosing):
            checked = validate(self._model, self._prepared, self._choosing, size_px, self._place.device)
        report["validation"] = None if checked is None else checked.report()
        report["seconds"] = round(time.perf_counter() - started_s, 1)
        self._spent_s += report["seconds"]
        better = checked is None or checked.accuracy > self._best
        self._best = max(self._best, checked.accuracy) if checked is not None else self._best
        history = [*self._history, report]
        shared = {
            "model": self._model.state_dict(),
            "size_px": size_px,
            "temperature": options.temperature if checked is None else checked.temperature,
            "presence_threshold": PRESENCE_THRESHOLD,
            "training": {**self._story, "seconds": round(self._spent_s, 1)},
            "history": history,
        }
        if better:
            write_checkpoint(self._run / "model.pt", shared)
        resume = {name: part.state_dict() for name, part in states.items()}
        write_checkpoint(
            self._run / "last.pt", {**shared, **resume, "best": self._best, "options": asdict(options)}
        )
        with replaced_file(self._run / "history.json") as partial:
            partial.write_text(json.dumps(history, indent=1), encoding="utf-8")
        tqdm.write(_line(report), file=sys.stderr)


def _loader(crops: LitCrops, batch: int, steps: int, place: Place) -> "DataLoader[Sample]":
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


def pictures_held_back(prepared: Prepared, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool, the pictures that are not trained on; and the rows of those that choose the best epoch."""
    left_out = np.isin(prepared.source, options.leave_out)
    if options.by_role:
        held_back, choosing = prepared.role != "train", prepared.role == "validation"
    else:
        held_back = choosing = np.isin(prepared.source, options.validate)
    return held_back | left_out, np.flatnonzero(choosing & ~left_out & np.isin(prepared.letter, LETTERS))


def _training_rows(crops: Crops, prepared: Prepared, held_back: np.ndarray) -> np.ndarray:
    """Crops of the other pictures, of backgrounds of their sources, and what is made."""
    if held_back.all():
        raise DataError("no picture is left to train on: leave out or validate on fewer")
    seen = ["", *np.unique(prepared.source[~held_back])]
    picture = np.asarray(crops.picture)
    return np.flatnonzero(np.isin(crops.source, seen) & ((picture == NO_PICTURE) | ~held_back[picture]))


def _some(crops: Crops, rows: np.ndarray, size_px: int) -> torch.Tensor:
    """(256 or fewer, 3, T, T) normalised: crops as the first epoch shows them."""
    lit = LitCrops(crops, rows, Light(size_px, 0.3, 0, 0))
    images = [lit[position]["image"] for position in range(min(256, len(rows)))]
    return normalise(torch.stack(images))


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


def _story(
    crops: Crops, prepared: Prepared, options: Options, held_back: np.ndarray, choosing: np.ndarray
) -> dict[str, Any]:
    """What the deployment package tells of the training, but for its seconds."""
    sources = set(prepared.source[~held_back].tolist())
    validated_on = set(prepared.source[choosing].tolist()) - sources
    return {
        "sources": sorted(sources),
        "pictures": int((~held_back).sum()),
        "crops": {name: crops.about[name] for name in ("crops", "synthetic_share", "seed")},
        "left_out": sorted(set(prepared.source.tolist()) - sources - validated_on),
        "validated_on": sorted(validated_on),
        "seed": options.seed,
        "command": shlex.join(["python", "-m", "train", *sys.argv[1:]]),
        "options": asdict(options),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def _line(report: dict[str, Any]) -> str:
    checked, of_resnet = report["validation"], report["part"] == RESNET
    of = f"at {report['size_px']} px" if of_resnet else "of the last blocks"
    unseen = f", validation pictures {checked['accuracy']:.1%}" if checked else ""
    waited = f", waited for data {report['data_wait_fraction']:.1%}" if of_resnet else ""
    return (
        f"epoch {report['epoch']} {of}: loss {report['loss']:.3f}, "
        f"letters {report['letter_accuracy']:.1%} of augmented crops{unseen}{waited}, "
        f"{report['seconds']:.0f} s"
    )


def _progress(total: int, done: int, place: Place) -> "tqdm[Any]":
    """A bar with the time left; in a log file a line a while instead of a line a step."""
    seldom = None if sys.stderr.isatty() else max(1, total // 50)
    return tqdm(total=total, initial=done, disable=place.rank > 0, unit="step", miniters=seldom)


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
