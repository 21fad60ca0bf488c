import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.made_pictures import save, scene

from edge.errors import DataError
from train.data.prepare import prepare
from train.data.prepared import ARRAYS, INDEX_NAME, PICTURES_NAME, open_prepared, refuse_foreign_folder
from train.replace import replaced_file, replaced_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prepare two signers with two pictures each."""
    for i, name in enumerate(("anna/A/1.png", "anna/B/1.png", "ben/A/1.png", "ben/B/1.png")):
        save(tmp_path / "raw" / name, scene(i, height=40 + i, width=50))
    prepare([str(tmp_path / "raw")], tmp_path / "prepared", split=["anna=train", "ben=test"])
    return tmp_path / "prepared"


def test_stored_pictures_equal_the_originals(folder: Path) -> None:
    prepared = open_prepared(folder)
    assert prepared.file.tolist() == ["anna/A/1.png", "anna/B/1.png", "ben/A/1.png", "ben/B/1.png"]
    for i in range(4):
        np.testing.assert_array_equal(prepared.picture(i), scene(i, height=40 + i, width=50))


def test_stored_pictures_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        open_prepared(folder).picture(0)[0, 0] = 0


def test_rows_are_chosen_by_source_and_split(folder: Path) -> None:
    prepared = open_prepared(folder)
    assert prepared.rows().tolist() == [0, 1, 2, 3]
    assert prepared.rows(sources=["ben"]).tolist() == [2, 3]
    assert prepared.rows(splits=["train"]).tolist() == [0, 1]
    assert prepared.rows(sources=["ben"], splits=["train"]).tolist() == []


def test_error_for_an_unknown_source_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(DataError, match="no source 'carl', only: anna, ben"):
        open_prepared(folder).rows(sources=["carl"])


def test_error_for_an_absent_folder_says_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"is not a prepared folder: it has no index.npz; run python -m train prepare"
    ):
        open_prepared(tmp_path / "nowhere")


def test_truncated_pictures_are_refused_with_both_sizes(folder: Path) -> None:
    path = folder / PICTURES_NAME
    path.write_bytes(path.read_bytes()[:-1])
    expected = sum((40 + i) * 50 * 3 for i in range(4))
    with pytest.raises(DataError, match=f"must have {expected} bytes, got {expected - 1}"):
        open_prepared(folder)


def test_missing_pictures_are_refused(folder: Path) -> None:
    (folder / PICTURES_NAME).unlink()
    with pytest.raises(DataError, match="got 0"):
        open_prepared(folder)


@pytest.mark.parametrize("size", [0, 10, 200])
def test_truncated_index_is_refused_in_one_sentence(folder: Path, size: int) -> None:
    path = folder / INDEX_NAME
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"index.npz can't be used \(.+\); run python -m train prepare again"):
        open_prepared(folder)


def test_index_without_an_array_is_refused_with_its_name(folder: Path) -> None:
    with np.load(folder / INDEX_NAME) as index:
        arrays = {name: index[name] for name in ARRAYS.values() if name not in ("phash", "file")}
    np.savez(folder / INDEX_NAME, **arrays)
    with pytest.raises(DataError, match="no array 'file'"):
        open_prepared(folder)


def test_full_disk_is_reported_in_one_sentence_and_keeps_the_old_folder(folder: Path) -> None:
    before = sorted(path.name for path in folder.parent.iterdir())

    def run_out_of_disk() -> None:
        with replaced_folder(folder, refuse_foreign_folder) as partial:
            (partial / PICTURES_NAME).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"the disk of .*prepared is full, or a file may not grow"):
        run_out_of_disk()
    assert len(open_prepared(folder)) == 4
    assert sorted(path.name for path in folder.parent.iterdir()) == before


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text("old")

    def run_out_of_disk() -> None:
        with replaced_file(path) as partial:
            partial.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"history.json can't be written \(no space left on device\)"):
        run_out_of_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_refused_write_leaves_no_partial_folder(tmp_path: Path) -> None:
    for i in range(8):
        save(tmp_path / "raw" / "A" / f"{i}.png", scene(i, 200, 200))
    code = (
        "import resource, signal, sys; from edge.errors import DataError\n"
        "from train.data.prepare import prepare\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from pathlib import Path\n"
        "try: prepare([sys.argv[1]], Path(sys.argv[2]))\n"
        "except DataError as error: sys.exit(str(error))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "raw"), str(tmp_path / "prepared")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 1
    assert "prepared is full, or a file may not grow so large: make room" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_killed_prepare_keeps_the_old_folder_and_the_next_run_cleans_up(folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from train.data.prepared import refuse_foreign_folder\n"
        "from train.replace import replaced_folder\n"
        "with replaced_folder(Path(sys.argv[1]), refuse_foreign_folder) as partial:\n"
        "    (partial / 'pictures.u8').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=False)
    assert process.returncode == -9
    assert (folder.parent / "prepared.partial").is_dir()
    assert len(open_prepared(folder)) == 4
    prepare([str(folder.parent / "raw" / "anna")], folder)
    assert len(open_prepared(folder)) == 2
    assert not (folder.parent / "prepared.partial").exists()


def test_folder_set_aside_by_a_killed_run_is_restored_if_the_next_run_fails(folder: Path) -> None:
    folder.rename(folder.with_name("prepared.old"))
    with pytest.raises(RuntimeError), replaced_folder(folder, refuse_foreign_folder):
        raise RuntimeError("the next run fails too")
    assert len(open_prepared(folder)) == 4


def test_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    with (
        pytest.raises(DataError, match="exists and is not a prepared folder"),
        replaced_folder(tmp_path / "thesis", refuse_foreign_folder),
    ):
        pytest.fail("it yielded a folder to write into")
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "precious"
