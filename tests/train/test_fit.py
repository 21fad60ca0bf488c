"""Training runs: a killed run resumes, processes share the work, and flags select what is trained."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.full_disk import FullAfter
from support.tiny_data import run_train, write_crops, write_letters

from edge.engines.golden import golden_picture
from train.crops.store import open_crops
from train.data.prepared import open_prepared
from train.evaluate.evaluate import SEEN, group_rows
from train.fit.loss import normalise
from train.fit.run_state import LAST_BLOCKS, RESNET, RunState
from train.model.checkpoint import load_checkpoint
from train.model.init_weights import init_model, restore_batch_norm
from train.model.landmark_network import HandNetwork
from train.model.network import input_px

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TINY = ["--schedule", "32x3", "--batch", "8", "--init", "scratch", "--workers", "0", "--validate", "ben",
        "--blocks-epochs", "2"]  # fmt: skip
BACKSTOP_S = 1800  # ends a hanging subprocess; each takes less than a tenth of it on an idle machine

# Run `train fit` and kill the process after a number of epochs, as the system or a power cut might.
KILLED_AFTER = """
import os, signal, sys
from train.__main__ import main
from train.fit.run_state import RunState
epochs, finish, finished = int(sys.argv[1]), RunState.finish_epoch, []
def finish_and_die(*arguments, **states):
    finish(*arguments, **states)
    finished.append(1)
    if len(finished) == epochs:
        os.kill(os.getpid(), signal.SIGKILL)
RunState.finish_epoch = finish_and_die
main(sys.argv[2:])
"""


def start_python(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=BACKSTOP_S,
        check=False,
    )


def start_two_processes(*arguments: object) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return start_python(*launcher, "-m", "train", *arguments)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crops(tmp_path_factory.mktemp("fit"), 120)


@pytest.fixture(scope="module")
def complete_run(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "complete"
    assert run_train("fit", "--crops", crops, "--run", run, *TINY) == 0
    return run


def assert_same_weights(one: Path, other: Path) -> None:
    expected, weights = (load_checkpoint(run / "last.pt").model.state_dict() for run in (one, other))
    for name, value in expected.items():
        assert torch.equal(value, weights[name]), name


def test_run_writes_a_checkpoint_and_a_history(complete_run):
    checkpoint = load_checkpoint(complete_run / "model.pt")
    assert checkpoint.size_px == input_px(32)
    assert checkpoint.training["sources"] == ["anna"]
    assert checkpoint.training["validated_on"] == ["ben"]
    assert checkpoint.training["command"].startswith("python -m train fit --crops ")
    assert "--init scratch" in checkpoint.training["command"]
    history = json.loads((complete_run / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2, 3, 4]
    assert [epoch["part"] for epoch in history] == [RESNET] * 3 + [LAST_BLOCKS] * 2
    assert all(0 <= epoch["data_wait_fraction"] <= 1 for epoch in history[:3])
    assert all(np.isfinite(epoch["loss"]) for epoch in history)
    assert history[2]["lr"] < history[0]["lr"]
    assert all(0 < epoch["lr"] < 1e-4 for epoch in history[3:])  # low, so that a few steps change little


def test_resnet_learns_the_maps_of_the_landmark_network(complete_run):
    history = load_checkpoint(complete_run / "last.pt").history
    hints = [epoch["hint_loss"] for epoch in history if epoch["part"] == RESNET]
    assert hints[-1] < hints[0]


def test_only_the_last_blocks_of_the_landmark_network_are_finetuned(complete_run):
    finetuned, original = load_checkpoint(complete_run / "last.pt").model.hand, HandNetwork()
    middle = {id(parameter) for parameter in finetuned.trained_parameters()}
    for (name, parameter), original_parameter in zip(
        finetuned.named_parameters(), original.parameters(), strict=True
    ):
        assert torch.equal(parameter, original_parameter) == (id(parameter) not in middle), name
    picture = torch.from_numpy(golden_picture(224).transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.no_grad():
        moved = (finetuned(picture)[1] - original(picture)[1]).abs().mean()
    assert moved < 0.1  # of the side: the network still finds landmarks


def test_zero_epochs_leave_the_last_blocks_unchanged(crops, tmp_path):
    flags = [*TINY, "--schedule", "32x1", "--blocks-epochs", 0]
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *flags) == 0
    checkpoint = load_checkpoint(tmp_path / "run" / "last.pt")
    assert [epoch["part"] for epoch in checkpoint.history] == [RESNET]
    for parameter, original_parameter in zip(
        checkpoint.model.hand.parameters(), HandNetwork().parameters(), strict=True
    ):
        assert torch.equal(parameter, original_parameter)


def test_killed_run_resumes_and_ends_with_the_same_weights(complete_run, crops, tmp_path):
    flags = ("fit", "--crops", crops, "--run", tmp_path / "killed", *TINY)
    killed = start_python("-c", KILLED_AFTER, 1, *flags)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(load_checkpoint(tmp_path / "killed" / "last.pt").history) == 1
    assert run_train(*flags) == 0
    assert_same_weights(complete_run, tmp_path / "killed")


@pytest.mark.parametrize("epochs", [3, 4])  # before the first epoch of finetuning, and after it
def test_run_interrupted_while_finetuning_resumes_with_the_same_weights(
    complete_run, crops, tmp_path, monkeypatch, epochs
):
    run, finish = tmp_path / "interrupted", RunState.finish_epoch

    def finish_and_interrupt(state, *report, **states):
        finish(state, *report, **states)
        if len(state.epochs(RESNET)) + len(state.epochs(LAST_BLOCKS)) == epochs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunState, "finish_epoch", finish_and_interrupt)
        assert run_train("fit", "--crops", crops, "--run", run, *TINY) == 128 + signal.SIGINT
    assert len(load_checkpoint(run / "last.pt").history) == epochs
    assert run_train("fit", "--crops", crops, "--run", run, *TINY) == 0
    assert_same_weights(complete_run, run)


def test_resuming_with_other_flags_is_refused(complete_run, crops, capsys):
    before = (complete_run / "last.pt").read_bytes()
    assert run_train("fit", "--crops", crops, "--run", complete_run, *TINY, "--seed", 5) == 2
    assert "another seed" in capsys.readouterr().err
    assert (complete_run / "last.pt").read_bytes() == before


def test_two_processes_share_every_epoch(crops, tmp_path):
    run = tmp_path / "two"
    flags = [*TINY, "--schedule", "32x2", "--blocks-epochs", 1]
    done = start_two_processes("fit", "--crops", crops, "--folder", run, *flags)
    assert done.returncode == 0, done.stderr
    checkpoint = load_checkpoint(run / "last.pt")
    assert len(checkpoint.history) == 3
    assert all(np.isfinite(epoch["loss"]) for epoch in checkpoint.history)


def test_batch_smaller_than_the_number_of_processes_is_refused(crops, tmp_path):
    flags = ("--crops", crops, "--folder", tmp_path / "two", *TINY, "--batch", 1)
    done = start_two_processes("fit", *flags)
    assert done.returncode != 0
    assert "--batch is shared by 2 processes and must be 2 or more, got 1" in done.stderr
    assert not (tmp_path / "two").exists()


def test_one_folder_of_letters_is_trained_on_except_for_the_pictures_held_back(tmp_path):
    photographs = write_letters(tmp_path / "preprocessed_train", "ABC", 8, seed=3)
    assert run_train("prepare", photographs, "--output", tmp_path / "prepared") == 0
    cut = ("cut", "--data", tmp_path / "prepared", "--output", tmp_path / "crops", "--crops", 80)
    assert run_train(*cut) == 0
    prepared = open_prepared(tmp_path / "prepared")
    trained, held_back = prepared.rows(splits=["train"]), prepared.rows(splits=["validation"])
    run, flags = tmp_path / "run", [flag for flag in TINY if flag not in ("--validate", "ben")]
    assert run_train("fit", "--crops", tmp_path / "crops", "--run", run, *flags) == 0
    checkpoint = load_checkpoint(run / "model.pt")
    assert checkpoint.training["pictures"] == len(trained) < len(prepared)
    assert checkpoint.training["sources"] == ["preprocessed_train"]
    assert checkpoint.training["left_out"] == checkpoint.training["validated_on"] == []
    assert all(epoch["validation"] for epoch in checkpoint.history)
    assert group_rows(prepared, checkpoint.training)[SEEN].tolist() == held_back.tolist()


def test_full_disk_keeps_the_last_checkpoint(complete_run, crops, tmp_path, capsys, full_after: FullAfter):
    run = tmp_path / "full"
    shutil.copytree(complete_run, run)
    before = (run / "last.pt").read_bytes()
    state = torch.load(run / "last.pt", weights_only=True)
    state["history"] = state["history"][:4]  # one epoch of finetuning is left to write
    torch.save(state, run / "last.pt")
    before = (run / "last.pt").read_bytes()
    with full_after(1 << 20):
        assert run_train("fit", "--crops", crops, "--run", run, *TINY) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "can't be written" in error
    assert (run / "last.pt").read_bytes() == before
    assert not list(run.glob("*.partial"))


def test_folded_network_keeps_its_maps_and_can_be_trained(crops, tmp_path):
    folded = init_model("malvizv1").eval()
    restored = init_model("malvizv1")
    images = normalise(torch.from_numpy(np.array(open_crops(crops).image[:16])))
    restore_batch_norm(restored, images)
    for norm in folded.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.fill_(1 - norm.eps)
    with torch.no_grad():
        expected, maps = folded.maps(images)[-1], restored.maps(images)[-1]
        in_training = restored.train().maps(images)[-1]
    assert expected.mean() > 0.1
    torch.testing.assert_close(maps, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(in_training, expected, atol=0.1, rtol=0.1)
    flags = [*TINY, "--init", "malvizv1", "--schedule", "32x1", "--blocks-epochs", 0]
    assert run_train("fit", "--crops", crops, "--run", tmp_path / "run", *flags) == 0
