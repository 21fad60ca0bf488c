"""From photographs to letters: prepare, cut, fit, export and `asl-edge predict`, each as its own program."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.made_pictures import photographs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
LETTERS = "BLY"  # a minute of training tells these shapes apart
SOURCE = "seeeeeeel"  # one signer before one wall
TRAINED_ON, HELD_OUT = 24, 5  # photographs per letter
BACKSTOP_S = 3600  # ends a program that hangs


def run(*command: object) -> str:
    process = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=BACKSTOP_S,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def write_subset(manifest: Path, output: Path) -> dict[Path, str]:
    """Write a manifest of a few photographs per letter; return others with their letter, held out from it."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == SOURCE and row["hand0_x"]]
    held_out: dict[Path, str] = {}
    with output.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        for letter in LETTERS:
            mine = [row for row in rows if row["letter"] == letter and row["kind"] == "context"]
            assert len(mine) >= TRAINED_ON + HELD_OUT
            for row in mine[:TRAINED_ON]:
                table.writerow(row | {"file": manifest.parent / row["file"], "role": "train"})
            held_out |= {manifest.parent / row["file"]: letter for row in mine[-HELD_OUT:]}
    return held_out


def test_tiny_model_reads_photographs_that_it_was_not_trained_on(tmp_path):
    """Training saw the signer, not these photographs: this proves the path, not the accuracy."""
    held_out = write_subset(photographs() / "asl-frames" / "manifest.csv", tmp_path / "manifest.csv")
    run("-m", "train", "prepare", tmp_path / "manifest.csv", "--output", tmp_path / "prepared")
    run(
        *("-m", "train", "cut", "--data", tmp_path / "prepared", "--output", tmp_path / "crops"),
        *("--crops", "500", "--synthetic-share", "0"),
    )
    run(
        *("-m", "train", "fit", "--crops", tmp_path / "crops", "--run", tmp_path / "run"),
        *("--init", "malvizv1", "--schedule", "64x2", "--batch", "16", "--strength", "0,0.1"),
        *("--validate", "none"),
    )
    run(
        *("-m", "export", "--checkpoint", tmp_path / "run" / "model.pt", "--data", tmp_path / "prepared"),
        *("--output", tmp_path / "package", "--variants", "int8", "--accept-drop", "--quick"),
    )
    lines = run("-m", "edge", "predict", "--model", tmp_path / "package", *held_out).splitlines()
    predictions = [json.loads(line) for line in lines]
    assert [one["file"] for one in predictions] == [str(file) for file in held_out]
    pairs = zip(predictions, held_out.values(), strict=True)
    right = sum(one["letter"] == letter for one, letter in pairs)
    assert right >= 0.8 * len(held_out), [(one["letter"], one["confidence"]) for one in predictions]
