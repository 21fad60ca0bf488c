import argparse
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.made_pictures import photographs, save
from support.manifests import write_manifest
from support.tiny_package import SIZE_PX, build_tiny_package

from edge.engines.scripted import make_output
from edge.errors import DataError, PackageError
from edge.package import METADATA_NAME, Package, open_package
from edge.records import LETTERS, Array, Output
from train.data.inputs import BOX_COLUMNS
from train.data.prepare import prepare
from train.data.prepared import Prepared
from train.evaluate.evaluate import (
    CHOSE,
    SEEN,
    UNKNOWN,
    UNSEEN,
    add_arguments,
    evaluate_engine,
    group_rows,
    label_source,
    main,
    open_models,
    thin,
)
from train.model.checkpoint import write_checkpoint
from train.model.network import AslNet

TRAINING = {"sources": ["anna"], "validated_on": ["ben"], "left_out": ["carl"]}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("package")
    build_tiny_package(folder)
    path = folder / METADATA_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"training": TRAINING}))
    return open_package(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare three sources; the colour of each picture encodes its letter."""
    folder = tmp_path_factory.mktemp("data")
    rows: list[dict[str, object]] = []
    for source in ("anna", "ben", "carl"):
        for letter in ("A", "B", "Z", "nothing"):
            save(folder / f"{source}-{letter}.png", make_picture(letter))
            row: dict[str, object] = {"file": f"{source}-{letter}.png", "letter": letter, "source": source}
            row["role"] = {"anna": "train", "ben": "validation", "carl": "test"}[source]
            if letter != "nothing":
                row |= dict(zip(BOX_COLUMNS, (10, 10, 50, 50), strict=True))
            rows.append(row)
    return prepare([write_manifest(folder / "m.csv", rows)], folder / "prepared")


DARKEST, STEP = 105, 5  # grey levels of the letters; the tracker brightens darker pictures


def make_picture(letter: str) -> np.ndarray:
    level = 0 if letter == "nothing" else DARKEST + STEP * LETTERS.index(letter)
    return np.full((60, 60, 3), level, np.uint8)


def read_colour(tensor: Array, upright: bool = False) -> Output:
    """Read a picture of make_picture by its colour, and every Z as a D."""
    level = float(tensor[0, 0, SIZE_PX // 2, SIZE_PX // 2]) * 0.229 * 255 + 0.485 * 255
    if level < 10:
        return make_output(None)
    letter = LETTERS[round((level - DARKEST) / STEP)]
    return make_output("D" if letter == "Z" else letter)


def run(package: Path, prepared: Prepared, output: Path, *flags: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    argv = [str(package), "--data", str(prepared.folder), "--output", str(output), "--threads", "2", *flags]
    return main(parser.parse_args(argv))


@pytest.mark.parametrize("threads", [1, 3])
def test_engine_is_measured_on_whole_pictures(package: Package, prepared: Prepared, threads: int) -> None:
    metrics = evaluate_engine(read_colour, package, prepared, prepared.rows(), threads)
    assert metrics.predictions.predicted.tolist() == ["A", "B", "D", ""] * 3
    assert metrics.accuracy == pytest.approx(2 / 3)
    assert metrics.look_alikes["D/Z"] == {"pictures": 3, "mistaken": 3, "which": {"Z as D": 3}}
    assert metrics.given_a_letter == {"nothing": {"pictures": 3, "share": 0.0}}


def test_found_box_is_compared_with_the_labelled_one(package: Package, prepared: Prepared) -> None:
    metrics = evaluate_engine(read_colour, package, prepared, prepared.rows(["anna"]))
    # The engine's landmarks fill the middle four sevenths of each square, so they stay near 10..50 px.
    assert np.isfinite(metrics.predictions.iou).tolist() == [True, True, True, False]
    assert metrics.box_found == 1


@pytest.mark.parametrize(
    ("source", "label"), [("anna", SEEN), ("ben", CHOSE), ("carl", UNSEEN), ("dora", UNSEEN)]
)
def test_source_is_labelled_by_what_training_saw(source: str, label: str) -> None:
    assert label_source(source, TRAINING) == label


def test_model_without_training_data_in_its_metadata_is_labelled_unknown() -> None:
    assert label_source("anna", {}) == UNKNOWN


def test_sources_that_training_saw_are_left_out_by_default(prepared: Prepared) -> None:
    assert {label: rows.tolist() for label, rows in group_rows(prepared, TRAINING).items()} == {
        UNSEEN: [8, 9, 10, 11],
        CHOSE: [4, 5, 6, 7],
    }
    assert list(group_rows(prepared, TRAINING, sources=["anna", "carl"])) == [UNSEEN, SEEN]
    assert list(group_rows(prepared, TRAINING, splits=["train"])) == [SEEN]


def test_model_that_saw_everything_is_still_evaluated(prepared: Prepared) -> None:
    assert list(group_rows(prepared, {"sources": ["anna", "ben", "carl"]})) == [SEEN]


def test_few_pictures_are_taken_of_every_letter_and_source(prepared: Prepared) -> None:
    twice = np.tile(np.arange(len(prepared)), 2)
    groups = thin(prepared, {UNSEEN: twice, SEEN: twice[:2]}, len(prepared))
    assert groups[UNSEEN].tolist() == list(range(len(prepared)))
    assert groups[SEEN].tolist() == [0, 1]
    assert thin(prepared, groups, None) == groups
    with pytest.raises(DataError, match="--most must be 1 or more, got 0"):
        thin(prepared, groups, 0)


def test_empty_selection_is_reported_in_one_sentence(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="has no picture of these sources and splits"):
        group_rows(prepared, TRAINING, sources=["anna"], splits=["test"])


def test_package_is_evaluated_float_and_quantised_side_by_side(
    package: Package, prepared: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(package.folder, prepared, tmp_path / "e", "--sources", "anna,carl") == 0
    report = json.loads((tmp_path / "e" / "scores.json").read_text())
    assert list(report["variants"]) == ["float", "int8"]
    for figures in report["variants"].values():
        assert list(figures) == [UNSEEN, SEEN]
        assert figures[UNSEEN]["pictures"] == figures[SEEN]["pictures"] == 3
        assert np.sum(figures[UNSEEN]["confusion"]) == 3
    assert report["variants"]["float"][UNSEEN]["answers_changed"] == 0
    printed = capsys.readouterr().out
    assert f"{UNSEEN}: 3 pictures" in printed
    assert f"{SEEN}: 3 pictures" in printed


def test_tables_and_plots_can_be_read_again(package: Package, prepared: Prepared, tmp_path: Path) -> None:
    run(package.folder, prepared, tmp_path / "e", "--roles", "test", "--variants", "float,dynamic")
    with (tmp_path / "e" / "confusion.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 26
    assert {row["variant"] for row in rows} == {"float", "dynamic"}
    assert sum(int(row[column]) for row in rows[:26] for column in (*LETTERS, "none")) == 3
    with (tmp_path / "e" / "per_letter.csv").open(newline="") as file:
        letters = {row["letter"]: row for row in csv.DictReader(file) if row["variant"] == "float"}
    assert letters["A"]["pictures"] == "1"
    assert float(letters["A"]["recall"]) in (0, 1)
    assert letters["C"] == {
        "variant": "float",
        "signers": UNSEEN,
        "letter": "C",
        "pictures": "0",
        "recall": "",
    }
    pictures = sorted(path.name for path in (tmp_path / "e").glob("*.png"))
    assert pictures == ["confusion.dynamic.unseen_signers.png", "confusion.png"]
    for name in pictures:
        assert min(cv2.imread(str(tmp_path / "e" / name)).shape[:2]) > 800


def test_variant_that_the_package_lacks_is_refused(
    package: Package, prepared: Prepared, tmp_path: Path
) -> None:
    with pytest.raises(PackageError, match="has no variant 'int4', only float, int8, dynamic"):
        run(package.folder, prepared, tmp_path / "e", "--variants", "int4")


def test_checkpoint_of_fit_is_evaluated_with_its_learning_curves(prepared: Prepared, tmp_path: Path) -> None:
    torch.manual_seed(0)
    epoch = {"epoch": 0, "size_px": 64, "loss": 3.2, "letter_accuracy": 0.04, "lr": 1e-3, "seconds": 9.0}
    history = [
        epoch | {"data_wait_fraction": 0.02, "validation": {"accuracy": 0.05, "per_source": {"ben": 0.05}}},
        epoch | {"epoch": 1, "size_px": 96, "data_wait_fraction": 0.01, "validation": None},
        {
            "epoch": 2,
            "part": "last blocks",
            "loss": 2.1,
            "letter_accuracy": 0.1,
            "lr": 1e-4,
            "validation": None,
        },
    ]
    write_checkpoint(
        tmp_path / "model.pt",
        {
            "model": AslNet().state_dict(),
            "size_px": SIZE_PX,
            "temperature": 1.0,
            "presence_threshold": 0.5,
            "training": TRAINING,
            "history": history,
        },
    )
    assert run(tmp_path / "model.pt", prepared, tmp_path / "e", "--sources", "carl") == 0
    report = json.loads((tmp_path / "e" / "scores.json").read_text())
    assert list(report["variants"]) == ["checkpoint"]
    assert list(report["variants"]["checkpoint"]) == [UNSEEN]
    assert min(cv2.imread(str(tmp_path / "e" / "history.png")).shape[:2]) > 600


def test_absent_model_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.pt does not exist"):
        open_models(tmp_path / "gone.pt")
    with pytest.raises(PackageError, match="is no deployment package"):
        open_models(tmp_path / "gone")


def test_evaluation_that_cannot_be_written_is_reported_in_one_sentence(
    package: Package, prepared: Prepared, tmp_path: Path
) -> None:
    (tmp_path / "e").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"e can't be written: file exists"):
        run(package.folder, prepared, tmp_path / "e", "--roles", "test")


def test_photographs_are_measured(package: Package, tmp_path: Path) -> None:
    folder = photographs() / "asl-frames"
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "davidlee"][::60]
    chosen = [{**row, "file": str(folder / row["file"])} for row in rows]
    data = prepare([write_manifest(tmp_path / "some.csv", chosen)], tmp_path / "prepared")  # type: ignore[arg-type]
    (model, _), _ = open_models(package.folder)
    metrics = evaluate_engine(model.engine, model.package, data, data.rows())
    assert metrics.pictures == len(rows) > 5
    assert metrics.confusion.sum() == len(rows)
    assert list(metrics.per_source) == ["davidlee"]
