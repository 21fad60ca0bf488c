import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from support.broken_pictures import png_with_long_chunk, tiff_with_large_tiles
from support.command_line import run_peak_mb
from support.made_pictures import photographs, save, scene
from support.manifests import write_manifest

from edge.errors import DataError
from edge.pictures import read_picture
from train.__main__ import main as program
from train.data.inputs import BOX_COLUMNS, LANDMARK_COLUMNS
from train.data.prepare import add_arguments, main, prepare
from train.data.prepared import INDEX_NAME, PICTURES_NAME, REPORT_NAME

ROOT = Path(__file__).parents[2]
HAND = np.stack([np.linspace(100, 300, 21), np.linspace(80, 200, 21)], axis=1)


def labelled(file: str, **changes: object) -> dict[str, object]:
    """Return a manifest row with a box and landmarks for a picture of 512x400 px."""
    row: dict[str, object] = {"file": file, "letter": "A", "source": "anna", "role": "train"}
    row |= dict(zip(BOX_COLUMNS, (100, 80, 300, 200), strict=True))
    row |= dict(zip(LANDMARK_COLUMNS, HAND.ravel().tolist(), strict=True))
    return row | changes


def read_problems(folder: Path) -> list[tuple[str, str, bool]]:
    report = json.loads((folder / REPORT_NAME).read_text())
    return [(entry["file"], entry["why"], entry["left_out"]) for entry in report["problems"]]


def test_box_and_landmarks_are_scaled_with_the_picture(tmp_path: Path) -> None:
    save(tmp_path / "1.png", scene(0, 400, 512))
    manifest = write_manifest(tmp_path / "m.csv", [labelled("1.png", width=512, height=400)])
    prepared = prepare([manifest], tmp_path / "out", max_side_px=256)
    assert prepared.picture(0).shape == (200, 256, 3)
    assert prepared.box_xyxy[0].tolist() == [50, 40, 150, 100]
    np.testing.assert_allclose(prepared.landmarks[0], HAND / 2, rtol=1e-6)


def test_small_picture_is_never_scaled_up(tmp_path: Path) -> None:
    save(tmp_path / "A" / "1.png", scene(0, 40, 30))
    assert prepare([str(tmp_path)], tmp_path / "out").picture(0).shape == (40, 30, 3)


def test_missing_box_and_landmarks_are_nan(tmp_path: Path) -> None:
    save(tmp_path / "A" / "1.png", scene(0))
    prepared = prepare([str(tmp_path)], tmp_path / "out")
    assert np.isnan(prepared.box_xyxy).all()
    assert np.isnan(prepared.landmarks).all()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"no picture at all", "not a picture that OpenCV can decode, or truncated"),
        (cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes(), "1x1 px is too small"),
    ],
    ids=["empty", "text", "one pixel"],
)
def test_unusable_file_is_named_and_left_out(tmp_path: Path, data: bytes, why: str) -> None:
    save(tmp_path / "A" / "good.png", scene(0))
    (tmp_path / "A" / "bad.png").write_bytes(data)
    prepared = prepare([str(tmp_path)], tmp_path / "out")
    assert prepared.file.tolist() == ["A/good.png"]
    ((file, reason, left_out),) = read_problems(tmp_path / "out")
    assert (file, left_out) == ("A/bad.png", True)
    assert reason.startswith(why)


def test_missing_file_of_a_manifest_is_left_out(tmp_path: Path) -> None:
    save(tmp_path / "1.png", scene(0, 400, 512))
    manifest = write_manifest(tmp_path / "m.csv", [labelled("1.png"), labelled("gone.png")])
    prepare([manifest], tmp_path / "out")
    assert read_problems(tmp_path / "out") == [("gone.png", "no such file or directory", True)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"box_x1": 100}, "box dropped: it is empty or outside the picture"),
        ({"box_x0": 600, "box_x1": 700}, "box dropped: it is empty or outside the picture"),
        ({"hand7_x": 5000}, "landmarks dropped: far outside the picture, or all in one line"),
        ({"hand7_y": "nan"}, "landmarks dropped: not all of its columns hold numbers"),
        (
            dict.fromkeys(LANDMARK_COLUMNS, 50),
            "landmarks dropped: far outside the picture, or all in one line",
        ),
        (
            {"width": 1024, "height": 800},
            "box and landmarks dropped: the manifest says 1024x800 px, the upright picture has 512x400",
        ),
    ],
)
def test_implausible_annotation_is_dropped_and_the_picture_kept(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    save(tmp_path / "1.png", scene(0, 400, 512))
    manifest = write_manifest(tmp_path / "m.csv", [labelled("1.png", **changes)])
    prepared = prepare([manifest], tmp_path / "out")
    assert read_problems(tmp_path / "out") == [("1.png", why, False)]
    assert np.isnan(prepared.box_xyxy[0]).all() == ("box" in why)
    assert np.isnan(prepared.landmarks[0]).all() == ("landmarks" in why)


def test_box_may_extend_beyond_the_picture(tmp_path: Path) -> None:
    save(tmp_path / "1.png", scene(0, 400, 512))
    manifest = write_manifest(tmp_path / "m.csv", [labelled("1.png", box_x0=-20, box_y1=430)])
    prepared = prepare([manifest], tmp_path / "out", max_side_px=512)
    assert prepared.box_xyxy[0].tolist() == [-20, 80, 300, 430]


def test_no_usable_picture_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "raw" / "A").mkdir(parents=True)
    (tmp_path / "raw" / "A" / "1.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"no picture could be prepared; the first problem: A/1.png: the file is"
    ):
        prepare([str(tmp_path / "raw")], tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_max_side_below_32_px_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--max-side-px must be 32 or more, got 8"):
        prepare([str(tmp_path)], tmp_path / "out", max_side_px=8)


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for i in range(30):
        save(tmp_path / "raw" / "ABC"[i % 3] / f"{i}.png", scene(i, 300, 280))
    for name in ("one", "two"):
        prepare([str(tmp_path / "raw")], tmp_path / name)
    for file in (PICTURES_NAME, REPORT_NAME):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    with np.load(tmp_path / "one" / INDEX_NAME) as one, np.load(tmp_path / "two" / INDEX_NAME) as two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])


def test_report_is_printed_with_counts_warnings_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twin = scene(1, 100, 100)
    save(tmp_path / "raw/anna/A/1.png", twin)
    save(tmp_path / "raw/anna/B/1.png", scene(2))
    save(tmp_path / "raw/ben/A/1.jpg", twin)
    (tmp_path / "raw/ben/A/broken.png").write_bytes(b"")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = [
        str(tmp_path / "raw"),
        "--output",
        str(tmp_path / "out"),
        "--split",
        "anna=train",
        "ben=validation",
    ]
    assert main(parser.parse_args(flags)) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["A", "1", "1", "2"] in lines
    assert ["B", "1", "0", "1"] in lines
    assert ["split", "train", "validation"] in lines
    assert "near-duplicates on the other side of the split: 2 pictures" in printed
    assert "anna/A/1.png (train) ~ ben/A/1.jpg (validation)" in printed
    assert "warning: source anna has no picture of C D E" in printed
    assert "warning: source anna has fewer than 20 pictures of A (1), B (1)" in printed
    assert "warning: source ben has pictures of A only" in printed
    assert "warning: no picture of 'nothing'" in printed
    assert "left out: 1 files\n  ben/A/broken.png: the file is empty (0 bytes)" in printed
    assert f"wrote {tmp_path / 'out'}: 3 pictures" in printed


def test_file_name_that_is_not_utf8_is_printed_and_reported_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "raw" / "A" / "good.png", scene(0))
    stray = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "raw" / "A" / stray).write_bytes(b"")
    flags = ["prepare", str(tmp_path / "raw"), "--output", str(tmp_path / "out")]
    assert program(flags) == 0
    assert "  A/caf\\udce9.png: the file is empty" in capsys.readouterr().out
    assert read_problems(tmp_path / "out")[0][0] == f"A/{stray}"


def test_photographs_keep_their_splits_letters_and_boxes(tmp_path: Path) -> None:
    folder = photographs() / "asl-frames"
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::300]
    chosen = [{**row, "file": str(folder / row["file"])} for row in rows]
    prepared = prepare([write_manifest(tmp_path / "some.csv", chosen)], tmp_path / "out")  # type: ignore[arg-type]
    assert len(prepared) == len(rows) > 20
    assert read_problems(tmp_path / "out") == []
    for i, row in enumerate(rows):
        assert (prepared.letter[i], prepared.source[i], prepared.split[i]) == (
            row["letter"],
            row["source"],
            row["role"],
        )
        # all pictures are 256 px or smaller, so none is scaled
        np.testing.assert_array_equal(prepared.picture(i), read_picture(folder / row["file"]))
        if row["box_x0"]:
            assert prepared.box_xyxy[i, 0] == pytest.approx(float(row["box_x0"]))


def test_small_files_that_ask_for_much_memory_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "in" / "A" / "good.png", scene(0))
    for name, data in {
        "pixels.png": png_with_long_chunk(b"IDAT"),
        "text.png": png_with_long_chunk(b"tEXt"),
        "tiles.tif": tiff_with_large_tiles(16_000),
    }.items():
        (tmp_path / "in" / "A" / name).write_bytes(data)
    done, peak_mb = run_prepare(tmp_path / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "left out: 3 files" in done.stdout
    assert peak_mb < 300


def test_control_characters_of_folder_and_file_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    hostile = "\x1b[2J\nwrote everything"
    for signer in ("anna", hostile):
        save(tmp_path / "in" / signer / "A" / "1.png", scene(0))
    (tmp_path / "in" / hostile / "A" / f"{hostile}.txt").write_text("no picture")
    (tmp_path / "in" / hostile / "A" / f"{hostile}.png").write_text("no picture")
    done, _ = run_prepare(tmp_path / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert "\\u001b[2J\\u000awrote everything" in text
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert not any(line.startswith("wrote everything") for line in text.splitlines())
    problems = read_problems(tmp_path / "out")
    assert (
        f"{hostile}/A/{hostile}.png",
        "not a picture that OpenCV can decode, or truncated",
        True,
    ) in problems


def run_prepare(folder: Path, output: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    return run_peak_mb([sys.executable, "-m", "train", "prepare", str(folder), "--output", str(output)])


@pytest.mark.parametrize("has_library", [True, False])
def test_heic_pictures_of_a_telephone_are_prepared_or_named_with_what_to_do(
    tmp_path: Path, has_library: bool
) -> None:
    (tmp_path / "in/A").mkdir(parents=True)
    heif = pillow_heif.from_bytes("RGB", (400, 300), scene(1, 300, 400).tobytes())
    heif.save(tmp_path / "in/A/1.heic")
    save(tmp_path / "in/A/2.png", scene(2))
    # a Python that has no pillow-heif
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pillow_heif'] = None\n")
    path = os.pathsep.join([str(ROOT), *([] if has_library else [str(tmp_path)])])
    command = [sys.executable, "-m", "train", "prepare", tmp_path / "in", "--output", tmp_path / "out"]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    problems = read_problems(tmp_path / "out")
    if has_library:
        assert problems == []
    else:
        ((file, why, left_out),) = problems
        assert (file, left_out) == ("A/1.heic", True)
        assert "a HEIC picture, which needs pillow-heif" in why
