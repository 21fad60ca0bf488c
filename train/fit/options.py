"""What decides the result of a training run, and its flags."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from edge.errors import DataError
from train.data.prepared import Prepared
from train.fit.loss import POINTS_WEIGHT


@dataclass(frozen=True)
class Options:
    """A resumed run must have the same ones."""

    crops: str
    schedule: list[list[int]]  # [side of the ResNet's picture in px, epochs], one after another
    init: str
    leave_out: list[str]  # sources that the run never sees, neither to learn nor to choose
    validate: list[str]  # sources that choose the best epoch and the temperature, where not
    by_role: bool  # prepare's roles decide: its validation pictures choose, its test pictures are not touched
    batch: int
    learning_rate: float
    weight_decay: float
    strength: list[float]  # of the changes of light in the first and in the last epoch, 0..1
    points_weight: float
    hint_weight: float  # of the teacher's feature maps in the loss
    blocks_epochs: int  # in which the landmark network's last blocks learn, after the ResNet
    samples: int  # an epoch; 0 = as many as there are pictures
    patience: int  # epochs without a better validation before the run stops; 0 = never
    temperature: float  # of the letters' confidence where there is nothing to validate on
    seed: int

    def epoch_sizes(self) -> list[int]:
        """The side of the ResNet's picture in px for each epoch."""
        return [size for size, epochs in self.schedule for _ in range(epochs)]

    def strength_at(self, epoch: int) -> float:
        """Grows evenly over the first half of the run, then stays."""
        first, last = self.strength
        half = max(1.0, (len(self.epoch_sizes()) - 1) / 2)
        return first + (last - first) * min(1.0, epoch / half)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `python -m train fit`."""
    add = parser.add_argument
    add("--crops", default="crops", help="folder that cut wrote")
    # torchrun takes every --run for a short form of its own --run-path, hence the second name
    add("--run", "--folder", type=Path, default=Path("runs/first"), help="for checkpoints; goes on from them")
    add("--init", default="imagenet", help="imagenet | malvizv1 | scratch | FILE (a checkpoint of fit)")
    add("--schedule", default="96x12", help="side of the ResNet's picture in px x epochs, one after another")
    add("--leave-out", nargs="*", default=[], metavar="SOURCE", help="sources that this run never sees")
    add("--validate", nargs="*", metavar="SOURCE", help="sources that choose the best epoch; "
        "'none' trains on all; "
        "not given: prepare's validation pictures choose, and its test pictures are not seen")  # fmt: skip
    add("--batch", type=int, default=64, help="pictures a step, over all processes")
    add("--learning-rate", type=float, default=1e-3, help="at its highest")
    add("--weight-decay", type=float, default=0.05, help="of AdamW, on weights alone")
    add("--strength", default="0.3,1", help="of the changes of light, first to last epoch, each 0..1; "
        "half-way through the run it has grown to the last")  # fmt: skip
    add("--points-weight", type=float, default=POINTS_WEIGHT, help="0 trains without the hand points")
    add("--hint-weight", type=float, default=3.0, help="of the teacher's maps in the loss; 0 is without it")
    add("--blocks-epochs", type=int, default=1, help="passes over the crops in which the landmark network's "
        "last blocks learn letters, after the ResNet has; 0 leaves them as they came")  # fmt: skip
    add("--samples", type=int, default=0, help="an epoch; 0 = as many as there are crops")
    add("--patience", type=int, default=4, help="epochs without a better validation; 0 = never stop early")
    add("--temperature", type=float, default=1.0, help="of the confidence where nothing is validated on")
    add("--seed", type=int, default=0, help="the same seed gives the same network")
    add("--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes that read pictures")


def read_options(args: argparse.Namespace, prepared: Prepared) -> Options:
    """Flags -> Options. DataError in one sentence for a source that does not exist or a bad value."""
    if args.batch < 1:
        raise DataError(f"--batch {args.batch}: wanted 1 or more")
    if args.blocks_epochs < 0:
        raise DataError(f"--blocks-epochs {args.blocks_epochs}: wanted 0 or more")
    return Options(
        crops=args.crops,
        schedule=_schedule(args.schedule),
        init=args.init,
        leave_out=_known_sources(prepared, args.leave_out),
        validate=[] if args.validate in (None, ["none"]) else _known_sources(prepared, args.validate),
        by_role=args.validate is None,
        batch=args.batch,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        strength=_strength(args.strength),
        points_weight=args.points_weight,
        hint_weight=args.hint_weight,
        blocks_epochs=args.blocks_epochs,
        samples=args.samples,
        patience=args.patience,
        temperature=args.temperature,
        seed=args.seed,
    )


def _schedule(text: str) -> list[list[int]]:
    try:
        phases = [[int(part) for part in phase.split("x")] for phase in text.split(",")]
    except ValueError:
        phases = []
    if not phases or not all(len(phase) == 2 and phase[0] >= 32 and phase[1] >= 1 for phase in phases):
        raise DataError(f"--schedule {text!r}: wanted SIZExEPOCHS,... (32 px or more), such as 96x6,128x6")
    return phases


def _strength(text: str) -> list[float]:
    try:
        first, last = (float(part) for part in text.split(","))
    except ValueError:
        first = last = -1.0
    if not (0 <= first <= 1 and 0 <= last <= 1):
        raise DataError(f"--strength {text!r}: wanted FIRST,LAST, each from 0 to 1, such as 0.2,1")
    return [first, last]


def _known_sources(prepared: Prepared, names: list[str]) -> list[str]:
    known = set(prepared.source.tolist())
    for name in names:
        if name not in known:
            raise DataError(f"no source '{name}' in the prepared data; it has: {', '.join(sorted(known))}")
    return sorted(names)
