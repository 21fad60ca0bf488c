"""Training by its command line: a killed run goes on, processes share it, a bad flag is one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_data import write_letters, write_two_signers

from edge.engines.golden import golden_picture
from train.__main__ import main
from train.crops.store import open_crops
from train.data.prepared import open_prepared
from train.evaluate.evaluate import SEEN, group_rows
from train.fit.checkpoint import load_checkpoint
from train.fit.fit import LAST_BLOCKS, RESNET, Keeper, pictures_held_back
from train.fit.loss import normalise
from train.fit.options import add_arguments, read_options
from train.model.init_weights import start_model, unfold
from train.model.landmark_network import HandNetwork
from train.model.network import input_px

ROOT = Path(__file__).parents[2]
TINY = ["--schedule", "32x3", "--batch", "8", "--init", "scratch", "--workers", "0", "--validate", "ben"]
TINY += ["--blocks-epochs", "2"]


def train(*args: object, torchrun: int = 0) -> subprocess.Popen[str]:
    launcher = ["-m", "train"]
    if torchrun:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={torchrun}", *launcher]
    return subprocess.Popen(
        [sys.executable, *launcher, *map(str, args)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_to_end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    write_two_signers(folder / "photographs")
    code, errors = run_to_end(
        train(
            "prepare",
            folder / "photographs",
            "--output",
            folder / "prepared",
            "--split",
            "anna=train",
            "ben=validation",
        )
    )
    assert code == 0, errors
    cut = ("cut", "--data", folder / "prepared", "--output", folder / "crops", "--crops", 160)
    code, errors = run_to_end(train(*cut))
    assert code == 0, errors
    return folder / "crops"


@pytest.fixture(scope="module")
def whole_run(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    code, errors = run_to_end(train("fit", "--crops", crops, "--run", run, *TINY))
    assert code == 0, errors
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "last.pt").model.state_dict()


def test_run_leaves_a_checkpoint_and_its_story(whole_run, crops):
    checkpoint = load_checkpoint(whole_run / "model.pt")
    assert checkpoint.size_px == input_px(32)
    assert checkpoint.training["sources"] == ["anna"]
    assert checkpoint.training["validated_on"] == ["ben"]
    assert "--init scratch" in checkpoint.training["command"]
    history = json.loads((whole_run / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2, 3, 4]
    assert [epoch["part"] for epoch in history] == [RESNET] * 3 + [LAST_BLOCKS] * 2
    assert all(0 <= epoch["data_wait_fraction"] <= 1 for epoch in history[:3])
    assert all(np.isfinite(epoch["loss"]) for epoch in history)
    assert history[2]["lr"] < history[0]["lr"]
    assert all(0 < epoch["lr"] < 1e-4 for epoch in history[3:])  # so few steps must not move much


def test_of_the_landmark_network_the_last_blocks_alone_learn(whole_run):
    learned, came = load_checkpoint(whole_run / "last.pt").model.hand, HandNetwork()
    late = {id(part) for part in learned.late_parameters()}
    for (name, now), then in zip(learned.named_parameters(), came.parameters(), strict=True):
        assert torch.equal(now, then) == (id(now) not in late), name
    picture = torch.from_numpy(golden_picture(224).transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.no_grad():
        off = (learned(picture)[1] - came(picture)[1]).abs().mean()
    assert off < 0.1  # of the side: they go on naming the points


def test_no_pass_leaves_the_last_blocks_as_they_came(crops, tmp_path, monkeypatch):
    flags = [*TINY[: TINY.index("--blocks-epochs")], "--blocks-epochs", 0]
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *flags) == 0
    checkpoint = load_checkpoint(tmp_path / "run" / "last.pt")
    assert [epoch["part"] for epoch in checkpoint.history] == [RESNET] * 3
    for now, then in zip(checkpoint.model.hand.parameters(), HandNetwork().parameters(), strict=True):
        assert torch.equal(now, then)


def test_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(whole_run, crops, tmp_path):
    run = tmp_path / "killed"
    process = train("fit", "--crops", crops, "--run", run, *TINY)
    deadline = time.monotonic() + 120
    while not (run / "last.pt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(load_checkpoint(run / "last.pt").history)
    assert 1 <= done < 3, "the run ended before it was killed: the test needs a longer schedule"
    code, errors = run_to_end(train("fit", "--crops", crops, "--run", run, *TINY))
    assert code == 0, errors
    uninterrupted, resumed = weights(whole_run), weights(run)
    for name, value in uninterrupted.items():
        assert torch.equal(value, resumed[name]), name


@pytest.mark.parametrize("kept", [3, 4])  # before the last blocks' first pass, and between their two
def test_run_stopped_among_the_last_blocks_goes_on_as_well(whole_run, crops, tmp_path, monkeypatch, kept):
    run, keep = tmp_path / "stopped", Keeper.keep

    def keep_and_stop(keeper, *about, **states):
        keep(keeper, *about, **states)
        if sum(len(keeper.history_of(part)) for part in (RESNET, LAST_BLOCKS)) == kept:
            raise KeyboardInterrupt

    with monkeypatch.context() as until_then:
        until_then.setattr(Keeper, "keep", keep_and_stop)
        assert fit_here(until_then, "--crops", crops, "--run", run, *TINY) == 128 + signal.SIGINT
    assert len(load_checkpoint(run / "last.pt").history) == kept
    assert fit_here(monkeypatch, "--crops", crops, "--run", run, *TINY) == 0
    uninterrupted, resumed = weights(whole_run), weights(run)
    for name, value in uninterrupted.items():
        assert torch.equal(value, resumed[name]), name


def test_other_flags_on_an_old_run_are_refused_by_name(whole_run, crops, monkeypatch, capsys):
    before = (whole_run / "last.pt").read_bytes()
    assert fit_here(monkeypatch, "--crops", crops, "--run", whole_run, *TINY, "--seed", 5) == 2
    assert "another seed" in capsys.readouterr().err
    assert (whole_run / "last.pt").read_bytes() == before


def test_two_processes_share_every_epoch(crops, tmp_path):
    run = tmp_path / "two"
    code, errors = run_to_end(train("fit", "--crops", crops, "--folder", run, *TINY, torchrun=2))
    assert code == 0, errors
    checkpoint = load_checkpoint(run / "last.pt")
    assert len(checkpoint.history) == 5
    assert all(np.isfinite(epoch["loss"]) for epoch in checkpoint.history)


def test_batch_that_gives_some_process_nothing_is_one_sentence(crops, tmp_path):
    flags = ("--crops", crops, "--folder", tmp_path / "two", *TINY, "--batch", 1)
    code, errors = run_to_end(train("fit", *flags, torchrun=2))
    assert code != 0
    assert "--batch 1 is for all 2 processes: wanted one for each or more" in errors
    assert not (tmp_path / "two").exists()


def fit_here(monkeypatch: pytest.MonkeyPatch, *flags: object) -> int:
    """The command line in this process: spares a start of torch for each flag."""
    monkeypatch.setattr(sys, "argv", ["train", "fit", *map(str, flags)])
    return main()


def test_imagenet_weights_out_of_reach_name_the_two_other_choices(crops, tmp_path, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy"):  # nobody listens there: no address can be reached
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    flags = [flag if flag != "scratch" else "imagenet" for flag in TINY]
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *flags) == 2
    errors = capsys.readouterr().err
    assert "--init scratch" in errors
    assert "--init FILE" in errors
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--schedule", "96"], "SIZExEPOCHS"),
        (["--blocks-epochs", "-1"], "wanted 0 or more"),
        (["--leave-out", "nobody"], "no source 'nobody'"),
        (["--leave-out", "anna"], "no picture is left"),
        (["--init", "missing.pt"], "missing.pt does not exist"),
        (["--batch", "4096"], "smaller --batch"),
        (["--batch", "0"], "--batch 0: wanted 1 or more"),
        (["--strength", "0.5"], "wanted FIRST,LAST"),
    ],
)
def test_bad_flag_is_one_sentence_and_exit_code_2(crops, tmp_path, monkeypatch, capsys, flags, sentence):
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *TINY, *flags) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run" / "last.pt").exists()


def test_one_folder_of_letters_trains_on_all_but_the_pictures_held_back(tmp_path, monkeypatch):
    photographs = write_letters(tmp_path / "preprocessed_train", "ABC", 8, seed=3)
    for name, flags in (
        ("prepare", [photographs, "--output", tmp_path / "prepared"]),
        ("cut", ["--data", tmp_path / "prepared", "--output", tmp_path / "crops", "--crops", 80]),
    ):
        monkeypatch.setattr(sys, "argv", ["train", name, *map(str, flags)])
        assert main() == 0
    prepared = open_prepared(tmp_path / "prepared")
    learned, held_back = prepared.rows(roles=["train"]), prepared.rows(roles=["validation"])
    run, usual = tmp_path / "run", [flag for flag in TINY if flag not in ("--validate", "ben")]
    assert fit_here(monkeypatch, "--crops", tmp_path / "crops", "--run", run, *usual) == 0
    checkpoint = load_checkpoint(run / "model.pt")
    assert checkpoint.training["pictures"] == len(learned) < len(prepared)
    assert checkpoint.training["sources"] == ["preprocessed_train"]
    assert checkpoint.training["left_out"] == checkpoint.training["validated_on"] == []
    assert all(epoch["validation"] for epoch in checkpoint.history)
    assert group_rows(prepared, checkpoint.training)[SEEN].tolist() == held_back.tolist()


@pytest.mark.parametrize(
    ("flags", "learned_from", "left_out"),
    [([], ["anna"], ["ben"]), (["--validate", "none"], ["anna", "ben"], [])],
)
def test_the_test_role_is_not_trained_on_unless_asked_for(crops, flags, learned_from, left_out):
    prepared = open_prepared(crops.parent / "prepared")
    prepared = replace(prepared, role=np.where(prepared.role == "validation", "test", prepared.role))
    parser = ArgumentParser()
    add_arguments(parser)
    options = read_options(parser.parse_args(flags), prepared)
    held_back, choosing = pictures_held_back(prepared, options)
    assert sorted(set(prepared.source[~held_back].tolist())) == learned_from
    assert sorted(set(prepared.source[held_back].tolist())) == left_out
    assert len(choosing) == 0


def test_full_disk_keeps_the_last_checkpoint(whole_run, crops, tmp_path):
    """A limit on a file's size stands in for the full disk: the write fails half-way in the same manner."""
    run = tmp_path / "full"
    flags = ["--crops", str(crops), "--run", str(run), *TINY]
    limited = "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); " \
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); sys.argv[0] = 'train'; " \
        "runpy.run_module('train', run_name='__main__', alter_sys=True)"  # fmt: skip
    process = subprocess.run(
        [sys.executable, "-c", limited, "fit", *flags], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert process.returncode == 2, process.stderr
    assert "can't be written" in process.stderr
    assert "Traceback" not in process.stderr
    assert list(run.iterdir()) == []


def test_a_run_that_can_not_be_made_is_one_sentence(crops, tmp_path, monkeypatch, capsys):
    (tmp_path / "run").write_text("a file where the folder should be")
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *TINY) == 2
    assert f"train fit: {tmp_path / 'run'} can't be written: file exists" in capsys.readouterr().err


def test_history_that_can_not_be_written_is_one_sentence(crops, tmp_path, monkeypatch, capsys):
    (tmp_path / "run" / "history.json").mkdir(parents=True)
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *TINY) == 2
    assert "history.json can't be written (is a directory)" in capsys.readouterr().err
    assert not (tmp_path / "run" / "history.partial").exists()


def test_the_teacher_is_learned_from(crops, tmp_path, monkeypatch):
    taught = ("--crops", crops, "--run", tmp_path / "taught", *TINY)
    assert fit_here(monkeypatch, *taught, "--learning-rate", "3e-3") == 0
    history = load_checkpoint(tmp_path / "taught" / "last.pt").history
    hints = [epoch["hint_loss"] for epoch in history if epoch["part"] == RESNET]
    assert hints[-1] < hints[0]


def test_a_network_from_the_package_starts_as_it_was_and_learns(crops, tmp_path, monkeypatch):
    """Its batch norm was folded away and is given back: the maps must not change."""
    folded = start_model("malvizv1").eval()
    unfolded = start_model("malvizv1")
    images = normalise(torch.from_numpy(np.array(open_crops(crops).image[:16])))
    unfold(unfolded, images)
    for norm in folded.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.fill_(1 - norm.eps)
    with torch.no_grad():
        wanted, got = folded.maps(images)[-1], unfolded.maps(images)[-1]
        in_training = unfolded.train().maps(images)[-1]
    assert wanted.mean() > 0.1
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(in_training, wanted, atol=0.1, rtol=0.1)
    flags = [flag if flag != "scratch" else "malvizv1" for flag in TINY]
    assert fit_here(monkeypatch, "--crops", crops, "--run", tmp_path / "run", *flags) == 0
