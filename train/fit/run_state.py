"""The state of a run: after every epoch it is validated and written, so that the run can be resumed."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from tqdm import tqdm

from edge.errors import DataError, reason_of
from train.data.prepared import Prepared
from train.fit.distributed import DistContext
from train.fit.options import Options
from train.fit.validate import Validation, validate
from train.model.checkpoint import read_checkpoint, write_checkpoint
from train.model.network import AslNet, input_px
from train.replace import replaced_file

LAST_NAME, BEST_NAME, HISTORY_NAME = "last.pt", "model.pt", "history.json"
PRESENCE_THRESHOLD = 0.6  # see docs/experiments.md, "Presence threshold"
RESNET, LAST_BLOCKS = "ResNet", "last blocks"  # the trained part, as history.json names it


class RunState:
    """The history of a run and its files: last.pt to resume, model.pt to export, history.json.

    Rank 0 alone validates and writes.
    """

    def __init__(
        self,
        folder: Path,
        model: AslNet,
        prepared: Prepared,
        validation_rows: np.ndarray,
        options: Options,
        training: dict[str, Any],
        context: DistContext,
    ) -> None:
        self._folder, self._model, self._options, self._context = folder, model, options, context
        self._prepared, self._validation_rows, self._training = prepared, validation_rows, training
        self._history: list[dict[str, Any]] = []
        self._spent_s, self._best = 0.0, -1.0

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from the content of a last.pt."""
        self._history, self._best = state["history"], state["best"]
        self._spent_s = state["training"]["seconds"]

    def make_folder(self) -> None:
        """Make the folder of the run; raise DataError if that fails."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{self._folder} can't be written: {reason_of(error)}") from None

    def epochs(self, part: str) -> list[dict[str, Any]]:
        """Return the finished epochs of a part, RESNET or LAST_BLOCKS."""
        return [epoch for epoch in self._history if epoch["part"] == part]

    def load_best_model(self) -> None:
        """Load the weights of the best epoch, which need not be the last."""
        self._model.load_state_dict(read_checkpoint(self._folder / BEST_NAME)["model"])

    def finish_epoch(self, report: dict[str, Any], started_s: float, **resumed: Any) -> None:
        """Add an epoch that began at `started_s`, and write the files.

        `resumed` are modules and optimizers whose state is needed to resume, besides the model.
        """
        epoch: dict[str, Any] = {"epoch": len(self._history), **report}
        if self._context.rank == 0:
            self._write(epoch, started_s, resumed)
        self._history.append(epoch)

    def sync(self) -> None:
        """Give every process the last epoch of rank 0, whose validation decides when to stop."""
        if self._context.world > 1:
            box = [self._history[-1]]
            dist.broadcast_object_list(box)
            self._history[-1] = box[0]

    def _write(self, epoch: dict[str, Any], started_s: float, resumed: dict[str, Any]) -> None:
        validation = self._validate()
        epoch["validation"] = None if validation is None else validation.report()
        epoch["seconds"] = round(time.perf_counter() - started_s, 1)
        self._spent_s += epoch["seconds"]
        better = validation is None or validation.accuracy > self._best
        if validation is not None:
            self._best = max(self._best, validation.accuracy)
        history = [*self._history, epoch]
        state = {
            "model": self._model.state_dict(),
            "size_px": self._size_px,
            "temperature": self._options.temperature if validation is None else validation.temperature,
            "presence_threshold": PRESENCE_THRESHOLD,
            "training": {**self._training, "seconds": round(self._spent_s, 1)},
            "history": history,
        }
        if better:
            write_checkpoint(self._folder / BEST_NAME, state)
        state |= {name: part.state_dict() for name, part in resumed.items()}
        state |= {"best": self._best, "options": asdict(self._options)}
        write_checkpoint(self._folder / LAST_NAME, state)
        with replaced_file(self._folder / HISTORY_NAME) as partial:
            partial.write_text(json.dumps(history, indent=1), encoding="utf-8")
        tqdm.write(_format_epoch(epoch), file=sys.stderr)

    @property
    def _size_px(self) -> int:
        return input_px(self._options.epoch_sizes()[-1])

    def _validate(self) -> Validation | None:
        if not len(self._validation_rows):
            return None
        return validate(
            self._model, self._prepared, self._validation_rows, self._size_px, self._context.device
        )


def read_resumable(folder: Path, options: Options) -> dict[str, Any] | None:
    """Return the content of last.pt, or None for a new run.

    Raises DataError if the folder holds a run with other options.
    """
    if not (folder / LAST_NAME).exists():
        return None
    state = read_checkpoint(folder / LAST_NAME)
    now, then = asdict(options), state.get("options", {})
    differ = sorted(key for key in now if now[key] != then.get(key))
    if differ:
        raise DataError(
            f"{folder} holds a run with another {', '.join(differ)}: "
            "give --run a new folder, or the same flags as before"
        )
    return state


def has_stopped_improving(history: list[dict[str, Any]], patience: int) -> bool:
    """Return whether the last `patience` epochs brought no better validation; never if it is 0."""
    accuracies = [epoch["validation"]["accuracy"] for epoch in history if epoch["validation"]]
    if not patience or len(accuracies) <= patience:
        return False
    return bool(max(accuracies[-patience:]) <= max(accuracies[:-patience]))


def _format_epoch(epoch: dict[str, Any]) -> str:
    validation, is_resnet = epoch["validation"], epoch["part"] == RESNET
    phase = f"at {epoch['size_px']} px" if is_resnet else "of the last blocks"
    validated = f", {validation['accuracy']:.1%} of validation pictures" if validation else ""
    waited = f", {epoch['data_wait_fraction']:.1%} of the time spent waiting for data" if is_resnet else ""
    return (
        f"epoch {epoch['epoch']} {phase}: loss {epoch['loss']:.3f}, letters right: "
        f"{epoch['letter_accuracy']:.1%} of augmented crops{validated}{waited}, {epoch['seconds']:.0f} s"
    )
