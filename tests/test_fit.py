"""Training by its command line: a killed run goes on, processes share it, a bad flag is one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_data import write_two_signers

from train.__main__ import main
from train.checkpoint import load_checkpoint

ROOT = Path(__file__).parent.parent
TINY = ["--schedule", "32x3", "--batch", "8", "--init", "scratch", "--workers", "0", "--validate", "ben"]


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
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    return folder / "prepared"


@pytest.fixture(scope="module")
def whole_run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    code, errors = run_to_end(train("fit", "--data", prepared, "--run", run, *TINY))
    assert code == 0, errors
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(run / "last.pt").model.state_dict()


def test_run_leaves_a_checkpoint_and_its_story(whole_run, prepared):
    checkpoint = load_checkpoint(whole_run / "model.pt")
    assert checkpoint.size_px == 32
    assert checkpoint.training["sources"] == ["anna"]
    assert checkpoint.training["validated_on"] == ["ben"]
    assert "--init scratch" in checkpoint.training["command"]
    history = json.loads((whole_run / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2]
    assert all(0 <= epoch["data_wait_fraction"] <= 1 for epoch in history)
    assert all(np.isfinite(epoch["loss"]) for epoch in history)
    assert history[-1]["lr"] < history[0]["lr"]


def test_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(whole_run, prepared, tmp_path):
    run = tmp_path / "killed"
    process = train("fit", "--data", prepared, "--run", run, *TINY)
    deadline = time.monotonic() + 120
    while not (run / "last.pt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(load_checkpoint(run / "last.pt").history)
    assert 1 <= done < 3, "the run ended before it was killed: the test needs a longer schedule"
    code, errors = run_to_end(train("fit", "--data", prepared, "--run", run, *TINY))
    assert code == 0, errors
    uninterrupted, resumed = weights(whole_run), weights(run)
    for name, value in uninterrupted.items():
        assert torch.equal(value, resumed[name]), name


def test_other_flags_on_an_old_run_are_refused_by_name(whole_run, prepared, monkeypatch, capsys):
    before = (whole_run / "last.pt").read_bytes()
    assert fit_here(monkeypatch, "--data", prepared, "--run", whole_run, *TINY, "--seed", 5) == 2
    assert "another seed" in capsys.readouterr().err
    assert (whole_run / "last.pt").read_bytes() == before


def test_two_processes_share_every_epoch(prepared, tmp_path):
    run = tmp_path / "two"
    code, errors = run_to_end(train("fit", "--data", prepared, "--folder", run, *TINY, torchrun=2))
    assert code == 0, errors
    checkpoint = load_checkpoint(run / "last.pt")
    assert len(checkpoint.history) == 3
    assert all(np.isfinite(epoch["loss"]) for epoch in checkpoint.history)


def fit_here(monkeypatch: pytest.MonkeyPatch, *flags: object) -> int:
    """The command line in this process: spares a start of torch for each flag."""
    monkeypatch.setattr(sys, "argv", ["train", "fit", *map(str, flags)])
    return main()


def test_imagenet_weights_out_of_reach_name_the_two_other_choices(prepared, tmp_path, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy"):  # nobody listens there: no address can be reached
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    flags = [flag if flag != "scratch" else "imagenet" for flag in TINY]
    assert fit_here(monkeypatch, "--data", prepared, "--run", tmp_path / "run", *flags) == 2
    errors = capsys.readouterr().err
    assert "--init scratch" in errors
    assert "--init FILE" in errors
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--schedule", "96"], "SIZExEPOCHS"),
        (["--leave-out", "nobody"], "no source 'nobody'"),
        (["--leave-out", "anna"], "no source is left"),
        (["--init", "missing.pt"], "missing.pt does not exist"),
        (["--batch", "4096"], "smaller --batch"),
        (["--synthetic-share", "2"], "wanted 0 to 1"),
    ],
)
def test_bad_flag_is_one_sentence_and_exit_code_2(prepared, tmp_path, monkeypatch, capsys, flags, sentence):
    assert fit_here(monkeypatch, "--data", prepared, "--run", tmp_path / "run", *TINY, *flags) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run" / "last.pt").exists()


def test_full_disk_keeps_the_last_checkpoint(whole_run, prepared, tmp_path):
    """A limit on a file's size stands in for the full disk: the write fails half-way in the same manner."""
    run = tmp_path / "full"
    flags = ["--data", str(prepared), "--run", str(run), *TINY]
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


def test_a_teacher_is_fine_tuned_and_teaches_its_letters(prepared, tmp_path, monkeypatch, capsys):
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    tiny = ("--data", prepared, "--schedule", "64x1", "--samples", 8, "--batch", 4, "--workers", 0)
    lite0 = ("--network", "lite0", "--init", "imagenet")
    assert fit_here(monkeypatch, *tiny, *lite0, "--run", teacher) == 0
    assert load_checkpoint(teacher / "model.pt").model.name == "lite0"
    taught = ("--init", "scratch", "--teacher", teacher / "model.pt", "--run", student)
    assert fit_here(monkeypatch, *tiny, *taught) == 0
    history = load_checkpoint(student / "model.pt").history
    assert history[-1]["hint_loss"] > 0
    capsys.readouterr()
    assert fit_here(monkeypatch, *tiny, "--init", teacher / "model.pt", "--run", tmp_path / "other") == 2
    assert "holds a lite0: say --network lite0" in capsys.readouterr().err
    wrong_teacher = ("--init", "scratch", "--teacher", student / "model.pt", "--run", tmp_path / "other")
    assert fit_here(monkeypatch, *tiny, *wrong_teacher) == 2
    assert "holds a resnet18: a teacher is trained with fit --network lite0" in capsys.readouterr().err
