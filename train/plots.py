"""Learning curves and confusion matrices as PNG. Drawn without pyplot: no window, no global state."""

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


def plot_confusion(confusion: Counts, path: Path, title: str = "") -> None:
    """(26, 27) counts -> PNG: colour is the share of the signed letter's pictures, numbers are pictures."""
    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(confusion > 0):
        axes.text(
            column,
            row,
            str(confusion[row, column]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    axes.set_xticks(range(len(LETTERS) + 1), [*LETTERS, "none"])
    axes.set_yticks(range(len(LETTERS)), LETTERS)
    axes.axvline(len(LETTERS) - 0.5, color="0.6", linewidth=1)
    axes.set_xlabel("letter that was said (none: no hand, or no letter)")
    axes.set_ylabel("letter that was signed")
    axes.set_title(title)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7, format=PercentFormatter(1))
    bar.set_label("share of the signed letter's pictures")
    _save(figure, path)


def plot_history(history: list[dict[str, Any]], path: Path, title: str = "") -> None:
    """The epochs of `fit` -> PNG: loss, accuracy, learning rate and the wait for data."""
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
        having = [entry for entry in history if name in entry]
        axes.plot([entry["epoch"] for entry in having], [entry[name] for entry in having], marker=".")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
    waits.set_ylim(0, max(0.12, 1.1 * max(entry.get("data_wait_fraction", 0) for entry in history)))
    waits.axhline(0.1, color="0.6", linestyle="--", linewidth=1)  # what the project promises to stay under
    waits.yaxis.set_major_formatter(PercentFormatter(1))
    _draw_accuracy(accuracies, history)
    for axes in (losses, accuracies, rates, waits):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        _mark_sizes(axes, history)
    _save(figure, path)


def _draw_accuracy(axes: Axes, history: list[dict[str, Any]]) -> None:
    axes.plot(
        [entry["epoch"] for entry in history],
        [entry["letter_accuracy"] for entry in history],
        marker=".",
        label="training, augmented crops",
    )
    checked = [entry for entry in history if entry["validation"]]
    epochs = [entry["epoch"] for entry in checked]
    if checked:
        values = [entry["validation"]["accuracy"] for entry in checked]
        axes.plot(epochs, values, marker=".", label="validation signers, plain crops")
    sources = sorted({name for entry in checked for name in entry["validation"].get("per_source", {})})
    for name in sources if len(sources) > 1 else []:
        values = [entry["validation"]["per_source"].get(name, np.nan) for entry in checked]
        axes.plot(epochs, values, linewidth=1, linestyle=":", label=name)
    axes.set_ylabel("letter accuracy")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right", fontsize=8)


def _mark_sizes(axes: Axes, history: list[dict[str, Any]]) -> None:
    """A line where the pictures' size changes or another part learns, with the size or the part beside it."""
    before = None
    for entry in history:
        learns = f"{entry['size_px']} px" if "size_px" in entry else entry["part"]
        if learns != before:
            at = entry["epoch"] - 0.5 if before else entry["epoch"]
            if before:
                axes.axvline(at, color="0.6", linewidth=1)
            place = axes.get_xaxis_transform()
            axes.text(at, 1.01, f" {learns}", transform=place, fontsize=8, color="0.4")
            before = learns


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, dpi=DPI)
    except OSError as error:
        raise DataError(f"{path} can't be written: {reason_of(error)}") from None
