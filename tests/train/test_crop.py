"""`cut`: crops depend only on their position, a stopped run resumes, and bad input is refused."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.tiny_data import run_train, write_two_signers

from edge.geometry import hand_direction_rad
from train.crops.crop import ROTATION_ERROR_RAD, turn_upright
from train.crops.labels import NO_LETTER, OTHER_SIGN
from train.crops.store import ARRAYS, make_arrays, open_crops
from train.fit.landmark_head import middle_maps
from train.model.landmark_network import HandNetwork


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    write_two_signers(folder / "photographs")
    assert run_train("prepare", folder / "photographs", "--output", folder / "prepared") == 0
    assert run_train(*cut_flags(folder, folder / "crops")) == 0
    return folder


def cut_flags(folder: Path, output: Path, crops: int = 60) -> tuple[object, ...]:
    return (
        "cut",
        "--data",
        folder / "prepared",
        "--output",
        output,
        "--crops",
        crops,
        "--synthetic-share",
        0.3,
    )


def has_begun(crops: Path) -> bool:
    """Return whether the first crop is written."""
    try:
        return bool(np.load(crops / "named.npy", mmap_mode="r").any())
    except (OSError, ValueError):  # missing or incomplete
        return False


def test_crops_hold_both_people_and_synthetic_hands(folder):
    crops = open_crops(folder / "crops")
    assert len(crops) == 60
    assert set(crops.source.tolist()) == {"", "anna", "ben"}
    assert set(crops.letter.tolist()) >= {NO_LETTER, 0, 1, 2}
    assert ((crops.letter == NO_LETTER) == (crops.presence == 0)).all()
    other_sign = crops.letter == OTHER_SIGN  # only synthetic hands, because anna and ben sign letters
    assert 0 < other_sign.sum() < 0.3 * 60 / 2
    assert (crops.presence[other_sign] == 1).all()
    assert (crops.image.reshape(60, -1).std(axis=1) > 0).all()
    assert (np.abs(crops.at_32.reshape(60, -1)).max(axis=1) > 0).all()
    assert (np.abs(crops.middle).max(axis=(2, 3, 4)) > 0).all()
    with torch.no_grad():
        for upright in (False, True):
            features = HandNetwork().last_blocks(middle_maps(crops, np.arange(60), upright))[0]
            np.testing.assert_allclose(crops.features[:, int(upright)], features, atol=0.02)
    upright = crops.predicted_landmarks[crops.presence > 0, 1]
    assert np.median(np.abs([hand_direction_rad(landmarks) for landmarks in upright])) < np.deg2rad(15)


def test_made_people_have_their_share_of_the_crops(folder, tmp_path):
    photographs = folder / "photographs"
    sources = [f"made={photographs / 'anna'}", f"ben={photographs / 'ben'}"]
    assert run_train("prepare", *sources, "--output", tmp_path / "prepared") == 0
    flags = ["--data", tmp_path / "prepared", "--synthetic-share", 0, "--made-share", 0.6]
    assert run_train(*cut_flags(folder, tmp_path / "crops"), *flags) == 0
    crops = open_crops(tmp_path / "crops")
    shown = crops.source[crops.presence > 0].tolist()
    assert 0.6 < shown.count("made") / len(shown) < 0.85  # 0.6 of 0.88, the share of crops with a hand
    assert shown.count("made") + shown.count("ben") == len(shown)


def test_long_source_name_is_not_truncated(folder, tmp_path):
    name = "anna-in-the-kitchen-" * 4
    photographs = f"{name}={folder / 'photographs' / 'anna'}"
    assert run_train("prepare", photographs, "--output", tmp_path / "prepared") == 0
    assert run_train(*cut_flags(tmp_path, tmp_path / "crops", crops=4), "--workers", 0) == 0
    assert set(open_crops(tmp_path / "crops").source.tolist()) - {""} == {name}


@pytest.mark.parametrize("rotation_deg", [0, 70, -130])
def test_crop_is_rotated_until_the_hand_is_upright(rotation_deg):
    fan = np.deg2rad(rotation_deg + np.linspace(-15, 15, 21))
    landmarks = (112 + 50 * np.stack([np.sin(fan), -np.cos(fan)], axis=1)).astype(np.float32)
    landmarks[0] = 112
    crop = np.zeros((224, 224, 3), np.uint8)
    cv2.line(crop, (112, 112), np.round(landmarks[9]).astype(int).tolist(), (255, 255, 255), 6)
    errors_deg = []
    for position in range(8):
        ys, xs = np.nonzero(turn_upright(0, position, crop, landmarks)[..., 0] > 200)
        errors_deg.append(np.rad2deg(np.arctan(np.polyfit(ys, xs, 1)[0])))  # from the vertical
    assert np.abs(errors_deg).max() < 4 * np.rad2deg(ROTATION_ERROR_RAD)
    assert np.abs(np.mean(errors_deg)) < 2 * np.rad2deg(ROTATION_ERROR_RAD)
    assert np.std(errors_deg) > 1  # varies, like the rotation that a device estimates


def test_smaller_run_equals_the_beginning_of_a_larger_one(folder, tmp_path):
    assert run_train(*cut_flags(folder, tmp_path / "fewer", crops=7)) == 0
    fewer, more = open_crops(tmp_path / "fewer"), open_crops(folder / "crops")
    np.testing.assert_array_equal(fewer.image, more.image[:7])
    np.testing.assert_array_equal(fewer.at_16, more.at_16[:7])


def test_pictures_can_be_stored_larger(folder, tmp_path):
    flags = cut_flags(folder, tmp_path / "larger", crops=7)
    assert run_train(*flags, "--picture-px", 192) == 0
    larger, default = open_crops(tmp_path / "larger"), open_crops(folder / "crops")
    assert larger.image.shape == (7, 192, 192, 3)
    for big, small in zip(larger.image, default.image[:7], strict=True):
        shrunk = cv2.resize(big, (128, 128), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(shrunk, small, atol=1)
    np.testing.assert_array_equal(larger.at_16, default.at_16[:7])


@pytest.mark.parametrize("size_px", [31, 193])
def test_pictures_larger_than_a_crop_are_refused(folder, tmp_path, capsys, size_px):
    flags = cut_flags(folder, tmp_path / "crops", crops=7)
    assert run_train(*flags, "--picture-px", size_px) == 2
    assert f"--picture-px must be 32 to 192, got {size_px}" in capsys.readouterr().err
    assert not (tmp_path / "crops").exists()


def test_folder_without_picture_px_in_its_metadata_is_accepted(folder, tmp_path):
    before = tmp_path / "before"
    shutil.copytree(folder / "crops", before)
    about = json.loads((before / "about.json").read_text())
    del about["picture_px"]
    (before / "about.json").write_text(json.dumps(about))
    assert run_train(*cut_flags(folder, before)) == 0


def test_fit_refuses_a_size_above_that_of_the_crops(folder, tmp_path, capsys):
    flags = ("fit", "--crops", folder / "crops", "--run", tmp_path / "run", "--schedule", "96x1,160x1")
    assert run_train(*flags, "--validate", "none") == 2
    assert "asks for 160 px" in (error := capsys.readouterr().err)
    assert "--picture-px 160" in error
    assert not (tmp_path / "run").exists()


def test_stopped_run_resumes_and_ends_with_the_same_crops(folder, tmp_path):
    stopped = tmp_path / "stopped"
    shutil.copytree(folder / "crops", stopped)
    about = json.loads((stopped / "about.json").read_text())
    (stopped / "about.json").write_text(json.dumps(about | {"done": 20}))
    image = np.load(stopped / "image.npy", mmap_mode="r+")
    image[20:] = 0
    image.flush()
    assert run_train(*cut_flags(folder, stopped)) == 0
    original, resumed = open_crops(folder / "crops"), open_crops(stopped)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(original, name), getattr(resumed, name))


def test_run_killed_while_creating_its_arrays_starts_over(folder, tmp_path):
    killed = tmp_path / "killed"
    killed.mkdir()
    about = json.loads((folder / "crops" / "about.json").read_text())
    (killed / "about.json").write_text(json.dumps(about | {"done": 0}))
    (killed / "image.npy").write_bytes(b"half of it")
    assert run_train(*cut_flags(folder, killed)) == 0
    np.testing.assert_array_equal(open_crops(killed).image, open_crops(folder / "crops").image)


@pytest.mark.slow
def test_killed_worker_is_reported_in_one_sentence_and_ends_the_others(folder, tmp_path):
    command = [sys.executable, "-m", "train", *map(str, cut_flags(folder, tmp_path / "crops", 3000))]
    with subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE, text=True) as running:
        while not has_begun(tmp_path / "crops"):
            assert running.poll() is None
            time.sleep(0.05)
        workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        os.kill(int(workers[0]), signal.SIGKILL)
        _, errors = running.communicate()
    assert running.returncode == 2
    assert "a worker process was killed" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not any(Path("/proc", worker).exists() for worker in workers)


def test_folder_that_cannot_be_created_is_reported_in_one_sentence(folder, capsys):
    assert run_train(*cut_flags(folder, "/proc/asl-edge/crops")) == 2
    assert "/proc/asl-edge/crops can't be written: no such file" in capsys.readouterr().err


def test_arrays_reserve_their_disk_space_at_once(tmp_path):
    make_arrays(tmp_path, 20, np.dtype("<U4"))
    for name in ARRAYS.values():
        status = (tmp_path / f"{name}.npy").stat()
        assert status.st_blocks * 512 >= status.st_size


def test_full_disk_is_reported_in_one_sentence_at_the_start(folder, tmp_path, monkeypatch, capsys):
    lengths = []

    def fill(file: int, start: int, length: int) -> None:
        lengths.append(length)
        if len(lengths) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fill)
    assert run_train(*cut_flags(folder, tmp_path / "crops")) == 2
    error = capsys.readouterr().err
    assert error == f"train cut: {tmp_path / 'crops'} can't be written: no space left on device\n"
    assert list((tmp_path / "crops").iterdir()) == []


def test_unfinished_crops_are_refused_with_both_counts(folder, tmp_path, capsys):
    stopped = tmp_path / "stopped"
    shutil.copytree(folder / "crops", stopped)
    about = json.loads((stopped / "about.json").read_text())
    (stopped / "about.json").write_text(json.dumps(about | {"done": 20}))
    assert run_train("fit", "--crops", stopped, "--run", tmp_path / "run") == 2
    assert "holds 20 of 60 crops" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--crops", 0], "--crops must be 1 or more, got 0"),
        (["--synthetic-share", 2], "--synthetic-share must be 0 to 0.68 beside --made-share 0.2, got 2"),
        (["--data", "nowhere"], "nowhere is not a prepared folder"),
        (["--seed", 5], "crops with another seed"),
    ],
)
def test_bad_flag_is_reported_in_one_sentence_with_exit_code_2(folder, capsys, flags, sentence):
    assert run_train(*cut_flags(folder, folder / "crops"), *flags) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1


def test_folder_with_other_files_is_not_changed(folder, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("mine")
    assert run_train(*cut_flags(folder, tmp_path)) == 2
    assert "was not written by cut" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_unusable_command_line_is_reported_in_one_sentence(capsys):
    with pytest.raises(SystemExit) as caught:
        run_train("cut", "--crops", "many")
    assert caught.value.code == 2
    expected = "train cut: argument --crops: invalid int value: 'many' (see python -m train cut --help)\n"
    assert capsys.readouterr().err == expected


def test_damaged_crops_are_refused_in_one_sentence(folder, tmp_path, capsys):
    damaged = tmp_path / "damaged"
    shutil.copytree(folder / "crops", damaged)
    (damaged / "at_32.npy").write_bytes(b"")
    assert run_train("fit", "--crops", damaged, "--run", tmp_path / "run") == 2
    assert "can't be used" in capsys.readouterr().err
