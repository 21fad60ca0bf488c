"""Unusable flags of `python -m train fit` are refused in one sentence before the training."""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.tiny_data import run_train, write_crops

from train.data.prepared import open_prepared
from train.fit.options import add_arguments, read_options
from train.fit.training_set import hold_back

FLAGS = ["--schedule", "32x1", "--batch", "8", "--init", "scratch", "--workers", "0", "--validate", "ben"]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crops(tmp_path_factory.mktemp("flags"), 40)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--schedule", "96"], "must be SIZExEPOCHS"),
        (["--schedule", "160x1"], "cut others with --picture-px 160"),
        (["--blocks-epochs", "-1"], "--blocks-epochs must be 0 or more, got -1"),
        (["--leave-out", "nobody"], "no source 'nobody'"),
        (["--leave-out", "anna"], "no picture is left"),
        (["--init", "missing.pt"], "missing.pt does not exist"),
        (["--batch", "4096"], "smaller --batch"),
        (["--batch", "0"], "--batch must be 1 or more, got 0"),
        (["--strength", "0.5"], "must be FIRST,LAST"),
    ],
)
def test_bad_flag_is_reported_in_one_sentence_with_exit_code_2(crops, tmp_path, capsys, flags, sentence):
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *FLAGS, *flags) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_error_for_unreachable_imagenet_weights_names_the_alternatives(crops, tmp_path, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy"):  # nothing listens there, so every download fails
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *FLAGS, "--init", "imagenet") == 2
    errors = capsys.readouterr().err
    assert "--init scratch" in errors
    assert "--init FILE" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "trained_on", "left_out"),
    [([], ["anna"], ["ben"]), (["--validate", "none"], ["anna", "ben"], [])],
)
def test_test_split_is_used_only_if_all_sources_are_trained_on(crops, flags, trained_on, left_out):
    prepared = open_prepared(crops.parent / "prepared")
    prepared = replace(prepared, split=np.where(prepared.split == "validation", "test", prepared.split))
    parser = ArgumentParser()
    add_arguments(parser)
    options = read_options(parser.parse_args(flags), prepared)
    held_back, validation_rows = hold_back(prepared, options)
    assert sorted(set(prepared.source[~held_back].tolist())) == trained_on
    assert sorted(set(prepared.source[held_back].tolist())) == left_out
    assert len(validation_rows) == 0


def test_run_folder_that_cannot_be_created_is_reported_in_one_sentence(crops, tmp_path, capsys):
    (tmp_path / "run").write_text("a file where the folder should be")
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *FLAGS) == 2
    assert f"train fit: {tmp_path / 'run'} can't be written: file exists" in capsys.readouterr().err


def test_history_that_cannot_be_written_is_reported_in_one_sentence(crops, tmp_path, capsys):
    (tmp_path / "run" / "history.json").mkdir(parents=True)
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *FLAGS) == 2
    assert "history.json can't be written (is a directory)" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("*.partial"))
