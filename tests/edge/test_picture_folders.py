"""`predict FOLDER` and `predict --annotate DIR`."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from support.command_line import asl_edge, parse_json_lines, read_refusal
from support.made_pictures import save, scene


def make_folder(folder: Path) -> list[Path]:
    """Fill a folder as people have them; return its pictures in the order in which they are read."""
    for name in ("b/2", "a/__MACOSX", "a/.hidden"):
        (folder / name).mkdir(parents=True)
    pictures = [folder / name for name in ("1.PNG", "10.jpg", "2.png", "a/1.png", "b/1.jpg", "b/2/x.png")]
    for number, path in enumerate(pictures):
        cv2.imwrite(str(path), scene(number)[..., ::-1])
    for name in ("._1.PNG", "a/__MACOSX/1.png", "a/.hidden/1.png", "b/notes.txt", "b/Thumbs.db", "README"):
        (folder / name).write_text("no picture")
    return pictures


def test_folder_is_read_with_its_subfolders_in_the_order_of_names(tiny_folder: Path, tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "in")
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in")
    assert done.returncode == 0
    assert [result["file"] for result in parse_json_lines(done.stdout)] == list(map(str, pictures))
    assert done.stderr.count("\n") == 1
    assert "in: skipped 3 files that are not pictures (" in done.stderr


def test_folder_without_pictures_is_an_error_of_its_own_line(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in")
    assert done.returncode == 1
    (result,) = parse_json_lines(done.stdout)
    assert "the folder holds no pictures" in result["error"]


def test_folder_can_be_named_on_standard_input(tiny_folder: Path, tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "in")
    names = tmp_path / "names"
    names.write_text("in\n")
    with names.open() as file:
        done = asl_edge("predict", "--model", tiny_folder, "-", cwd=tmp_path, stdin=file)
    assert len(parse_json_lines(done.stdout)) == len(pictures)


def test_folder_that_links_to_itself_ends(tiny_folder: Path, tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "in")
    (tmp_path / "in/a/again").symlink_to(tmp_path / "in")
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in")
    assert len(parse_json_lines(done.stdout)) == len(pictures)


def test_annotated_copies_keep_the_folders_and_never_share_a_name(tiny_folder: Path, tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "in")
    shutil.copy(tmp_path / "in/2.png", tmp_path / "in/2.jpeg")
    before = {path: path.read_bytes() for path in pictures}
    bad, out = tmp_path / "bad.png", tmp_path / "out"
    bad.write_bytes(b"")
    (tmp_path / "one").mkdir()
    one = save(tmp_path / "one/2.png", scene(7))
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in", bad, one, "--annotate", out)
    assert done.returncode == 1  # because of bad.png
    copies = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert copies == ["1.jpg", "10.jpg", "2-2.jpg", "2-3.jpg", "2.jpg", "a/1.jpg", "b/1.jpg", "b/2/x.jpg"]
    assert {path: path.read_bytes() for path in pictures} == before
    original, copy = (cv2.imread(str(path)) for path in (pictures[0], tmp_path / "out/1.jpg"))
    assert copy.shape == original.shape
    assert np.abs(copy.astype(int) - original).max() > 100  # something was drawn


def test_copies_inside_the_folder_are_not_read_again(tiny_folder: Path, tmp_path: Path) -> None:
    pictures = make_folder(tmp_path / "in")
    out = tmp_path / "in/annotated"
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in", "--annotate", out)
    assert len(parse_json_lines(done.stdout)) == len(pictures)
    again = asl_edge("predict", "--model", tiny_folder, tmp_path / "in", "--annotate", out)
    assert "is not empty: name a new folder" in read_refusal(again)


def test_folder_for_copies_that_can_not_be_written_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    file = save(tmp_path / "1.png", scene(1))
    done = asl_edge("predict", "--model", tiny_folder, file, "--annotate", file)
    assert "--annotate" in read_refusal(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png"]


def test_copy_of_a_picture_with_the_longest_name_is_written(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for suffix in (".png", ".bmp"):
        cv2.imwrite(str(tmp_path / "in" / ("é" * 125 + "x" + suffix)), scene(0))
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "in", "--annotate", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_copies_below_links_in_a_loop_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for folder in ("loop", "loop/new"):
        refusal = read_refusal(asl_edge("predict", tmp_path, "--annotate", tmp_path / folder))
        assert "can't be used" in refusal
