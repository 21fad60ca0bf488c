"""Draw learning curves and confusion matrices as PNG, without pyplot and its global state."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from edge.errors import DataError, reason_of
from edge.records import LETTERS
from train.evaluate.metrics import Counts

DPI = 110
MAX_DATA_WAIT = 0.1  # fraction of an epoch's time; training must stay below it


def plot_confusion(confusion: Counts, path: Path, title: str = "") -> None:
    """Draw (26, 27) counts: colour is the fraction of the signed letter's pictures, numbers are pictures."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.subplots()
    fractions = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(confusion > 0):
        axes.text(
            column,
            row,
            str(confusion[row, column]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if fractions[row, column] > 0.5 else "black",
        )
    axes.set_xticks(range(len(LETTERS) + 1), [*LETTERS, "none"])
    axes.set_yticks(range(len(LETTERS)), LETTERS)
    axes.axvline(len(LETTERS) - 0.5, color="0.6", linewidth=1)
    axes.set_xlabel("predicted letter (none: no hand or no letter found)")
    axes.set_ylabel("signed letter")
    axes.set_title(title)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, format=PercentFormatter(1))
    bar.set_label("fraction of the signed letter's pictures")
    _save(figure, path)


def plot_history(history: list[dict[str, Any]], path: Path, title: str = "") -> None:
    """Draw the epochs of `fit`: loss, accuracy, learning rate, and time spent waiting for data.

    Raises DataError if the run has no finished epoch or `path` can't be written.
    """
    if not history:
        raise DataError(f"{path} can't be drawn: the run has no finished epoch yet")
    figure = Figure(figsize=(11, 7), layout="constrained")
    figure.suptitle(title)
    (losses, accuracies), (rates, waits) = figure.subplots(2, 2)
    for axes, name, label in (
        (losses, "loss", "loss"),
        (rates, "lr", "learning rate"),
        (waits, "data_wait_fraction", "time spent waiting for data"),
    ):
        entries = [entry for entry in history if name in entry]
        axes.plot([entry["epoch"] for entry in entries], [entry[name] for entry in entries], marker=".")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
    waits.set_ylim(0, max(0.12, 1.1 * max(entry.get("data_wait_fraction", 0) for entry in history)))
    waits.axhline(MAX_DATA_WAIT, color="0.6", linestyle="--", linewidth=1)
    waits.yaxis.set_major_formatter(PercentFormatter(1))
    _draw_accuracy(accuracies, history)
    for axes in (losses, accuracies, rates, waits):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        _mark_phases(axes, history)
    _save(figure, path)


def _draw_accuracy(axes: Axes, history: list[dict[str, Any]]) -> None:
    axes.plot(
        [entry["epoch"] for entry in history],
        [entry["letter_accuracy"] for entry in history],
        marker=".",
        label="training, augmented crops",
    )
    validated = [entry for entry in history if entry["validation"]]
    epochs = [entry["epoch"] for entry in validated]
    if validated:
        values = [entry["validation"]["accuracy"] for entry in validated]
        axes.plot(epochs, values, marker=".", label="validation signers, plain crops")
    sources = sorted({name for entry in validated for name in entry["validation"].get("per_source", {})})
    for name in sources if len(sources) > 1 else []:
        values = [entry["validation"]["per_source"].get(name, np.nan) for entry in validated]
        axes.plot(epochs, values, linewidth=1, linestyle=":", label=name)
    axes.set_ylabel("letter accuracy")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right", fontsize=8)


def _mark_phases(axes: Axes, history: list[dict[str, Any]]) -> None:
    """Draw a labelled line where the picture size or the trained part changes."""
    previous = None
    for entry in history:
        phase = f"{entry['size_px']} px" if "size_px" in entry else entry["part"]
        if phase != previous:
            x = entry["epoch"] - 0.5 if previous else entry["epoch"]
            if previous:
                axes.axvline(x, color="0.6", linewidth=1)
            transform = axes.get_xaxis_transform()
            axes.text(x, 1.01, f" {phase}", transform=transform, fontsize=8, color="0.4")
            previous = phase


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, dpi=DPI)
    except OSError as error:
        raise DataError(f"{path} can't be written: {reason_of(error)}") from None
