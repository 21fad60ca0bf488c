from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataError
from train.evaluate.plots import plot_confusion, plot_history


def epoch(number: int, accuracy: float | None) -> dict[str, object]:
    """Return an entry of history.json."""
    validation = (
        None if accuracy is None else {"accuracy": accuracy, "per_source": {"ben": accuracy, "carl": 0.5}}
    )
    entry: dict[str, object] = {"epoch": number, "size_px": 96 if number < 2 else 128, "loss": 3 - number / 2}
    entry |= {"letter_accuracy": 0.2 * number, "lr": 1e-3, "seconds": 60.0}
    return entry | {"data_wait_fraction": 0.02, "validation": validation}


def ink(path: Path) -> int:
    """Count the dark pixels of a plot."""
    return int((cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) < 100).sum())


def test_confusion_of_more_pictures_has_more_ink(tmp_path: Path) -> None:
    empty, full = np.zeros((26, 27), np.int64), np.zeros((26, 27), np.int64)
    full[np.arange(26), np.arange(26)] = 30
    full[0, 26] = 10
    plot_confusion(empty, tmp_path / "empty.png", "int8, unseen signers")
    plot_confusion(full, tmp_path / "full.png", "int8, unseen signers")
    assert ink(tmp_path / "full.png") > ink(tmp_path / "empty.png") > 0


def test_history_is_drawn_with_and_without_validation(tmp_path: Path) -> None:
    plot_history([epoch(i, None) for i in range(4)], tmp_path / "without.png")
    plot_history([epoch(i, 0.25 * i) for i in range(4)], tmp_path / "with.png")
    assert ink(tmp_path / "with.png") > ink(tmp_path / "without.png") > 0


def test_history_of_no_epoch_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the run has no finished epoch yet"):
        plot_history([], tmp_path / "history.png")


def test_plot_that_cannot_be_written_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"history.png can't be written: no such file or directory"):
        plot_history([epoch(0, None)], tmp_path / "nowhere" / "history.png")
