"""The options that decide the result of a training run, and their flags."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError
from train.data.prepared import Prepared
from train.fit.loss import LANDMARKS_WEIGHT

MIN_SIZE_PX = 32


@dataclass(frozen=True)
class Options:
    """The options of a run; a resumed run must have the same ones.

    The field names are keys in checkpoints and in a package's metadata.
    """

    crops: str
    schedule: list[list[int]]  # [side of the ResNet's picture in px, epochs], one after another
    init: str
    leave_out: list[str]  # sources that the run never sees, neither to train nor to validate
    validate: list[str]  # sources that choose the best epoch and the temperature, unless `by_role`
    by_role: bool  # prepare's splits decide: validation pictures choose, test pictures are not used
    batch: int
    learning_rate: float
    weight_decay: float
    strength: list[float]  # of the relighting in the first and in the last epoch, 0..1
    points_weight: float  # of the landmarks in the loss
    hint_weight: float  # of the landmark network's feature maps in the loss
    blocks_epochs: int  # in which the landmark network's last blocks are finetuned, after the ResNet
    samples: int  # per epoch; 0 = as many as there are crops
    patience: int  # epochs without a better validation before the run stops; 0 = never
    temperature: float  # of the letters' confidence if nothing is validated on
    seed: int

    def epoch_sizes(self) -> list[int]:
        """Return the side of the ResNet's picture in px for each epoch."""
        return [size for size, epochs in self.schedule for _ in range(epochs)]

    def strength_at(self, epoch: int) -> float:
        """Return the strength of the relighting: it grows during the first half of the run, then stays."""
        first, last = self.strength
        half = max(1.0, (len(self.epoch_sizes()) - 1) / 2)
        return first + (last - first) * min(1.0, epoch / half)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train fit`."""
    add = parser.add_argument
    add("--crops", default="crops", help="folder that cut wrote")
    # torchrun takes --run for a short form of its own --run-path, hence the second name
    add("--run", "--folder", type=Path, default=Path("runs/first"),
        help="folder for checkpoints; an interrupted run in it is resumed")  # fmt: skip
    add(
        "--init",
        default="imagenet",
        help="initial weights: imagenet | malvizv1 | scratch | FILE (a checkpoint)",
    )
    add("--schedule", default="96x12", help="SIZExEPOCHS,...: side of the ResNet's picture in px, and epochs")
    add("--leave-out", nargs="*", default=[], metavar="SOURCE", help="sources that this run never sees")
    add("--validate", nargs="*", metavar="SOURCE", help="sources that choose the best epoch, or 'none' to "
        "train on all; if the flag is not given, prepare's validation pictures choose and its test pictures "
        "are not used")  # fmt: skip
    add("--batch", type=int, default=64, help="crops per step, over all processes")
    add("--learning-rate", type=float, default=1e-3, help="maximum learning rate")
    add(
        "--weight-decay",
        type=float,
        default=0.05,
        help="weight decay of AdamW; biases and batch norms do not decay",
    )
    add("--strength", default="0.3,1", help="FIRST,LAST: strength of the relighting in the first epoch and "
        "from the middle of the run on, 0..1")  # fmt: skip
    add("--points-weight", type=float, default=LANDMARKS_WEIGHT, help="weight of the landmarks in the loss")
    add("--hint-weight", type=float, default=3.0, help="weight of the landmark network's maps in the loss")
    add("--blocks-epochs", type=int, default=1, help="epochs in which the landmark network's last blocks are "
        "finetuned for letters; 0 leaves them unchanged")  # fmt: skip
    add("--samples", type=int, default=0, help="samples per epoch; 0 = as many as there are crops")
    add("--patience", type=int, default=4,
        help="stop after this many epochs without a better validation; 0 = never")  # fmt: skip
    add(
        "--temperature",
        type=float,
        default=1.0,
        help="temperature of the confidence if nothing is validated on",
    )
    add("--seed", type=int, default=0, help="the same seed gives the same network")
    add("--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes that load crops")


def read_options(args: argparse.Namespace, prepared: Prepared) -> Options:
    """Turn flags into Options; raise DataError for an unknown source or a bad value."""
    if args.batch < 1:
        raise DataError(f"--batch must be 1 or more, got {args.batch}")
    if args.blocks_epochs < 0:
        raise DataError(f"--blocks-epochs must be 0 or more, got {args.blocks_epochs}")
    return Options(
        crops=args.crops,
        schedule=_parse_schedule(args.schedule),
        init=args.init,
        leave_out=_check_sources(prepared, args.leave_out),
        validate=[] if args.validate in (None, ["none"]) else _check_sources(prepared, args.validate),
        by_role=args.validate is None,
        batch=args.batch,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        strength=_parse_strength(args.strength),
        points_weight=args.points_weight,
        hint_weight=args.hint_weight,
        blocks_epochs=args.blocks_epochs,
        samples=args.samples,
        patience=args.patience,
        temperature=args.temperature,
        seed=args.seed,
    )


def _parse_schedule(text: str) -> list[list[int]]:
    try:
        phases = [[int(part) for part in phase.split("x")] for phase in text.split(",")]
    except ValueError:
        phases = []
    if not phases or not all(
        len(phase) == 2 and phase[0] >= MIN_SIZE_PX and phase[1] >= 1 for phase in phases
    ):
        raise DataError(
            f"--schedule must be SIZExEPOCHS,... with {MIN_SIZE_PX} px or more, such as 96x6,128x6, "
            f"got {text!r}"
        )
    return phases


def _parse_strength(text: str) -> list[float]:
    try:
        first, last = (float(part) for part in text.split(","))
    except ValueError:
        first = last = -1.0
    if not (0 <= first <= 1 and 0 <= last <= 1):
        raise DataError(f"--strength must be FIRST,LAST, each from 0 to 1, such as 0.2,1, got {text!r}")
    return [first, last]


def _check_sources(prepared: Prepared, names: list[str]) -> list[str]:
    known = set(prepared.source.tolist())
    for name in names:
        if name not in known:
            raise DataError(f"no source '{name}' in the prepared data; it has: {', '.join(sorted(known))}")
    return sorted(names)
