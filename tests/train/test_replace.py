"""The folder of a package is replaced completely or not at all."""

import errno
from pathlib import Path

import pytest

from edge.errors import DataError
from edge.package import METADATA_NAME
from export.replace import replaced_package


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "deployment_package"
    folder.mkdir()
    (folder / METADATA_NAME).write_text("old")
    return folder


def read_metadata(folder: Path) -> str:
    return (folder / METADATA_NAME).read_text()


def write_new(folder: Path, failure: BaseException | None = None) -> None:
    with replaced_package(folder) as partial:
        (partial / METADATA_NAME).write_text("new")
        if failure is not None:
            raise failure


def test_new_folder_takes_the_place_of_the_old_one(old: Path) -> None:
    write_new(old)
    assert read_metadata(old) == "new"
    assert list(old.parent.iterdir()) == [old]


def test_missing_parents_are_created(tmp_path: Path) -> None:
    write_new(tmp_path / "a" / "b")
    assert read_metadata(tmp_path / "a" / "b") == "new"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("a bug"), DataError("no")])
def test_failure_leaves_the_old_folder_and_nothing_beside_it(old: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)):
        write_new(old, failure)
    assert read_metadata(old) == "old"
    assert list(old.parent.iterdir()) == [old]


def test_full_disk_is_reported_in_one_sentence(old: Path) -> None:
    with pytest.raises(DataError, match=r"is full.*what was there before is unchanged"):
        write_new(old, OSError(errno.ENOSPC, "No space left on device"))
    assert read_metadata(old) == "old"


def test_disk_with_too_little_space_is_refused_before_the_export(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.replace.NEEDED_BYTES", 10**18)
    with pytest.raises(DataError, match="an export needs"):
        write_new(old, AssertionError("work has begun"))
    assert read_metadata(old) == "old"
    assert list(old.parent.iterdir()) == [old]


def test_other_disk_error_names_the_file(old: Path) -> None:
    with pytest.raises(DataError, match="nowhere/x: no such file"), replaced_package(old):
        (old.parent / "nowhere" / "x").write_text("")
    assert read_metadata(old) == "old"


def test_next_export_restores_the_folder_of_one_killed_between_the_renames(old: Path) -> None:
    old.rename(old.with_name("deployment_package.old"))
    old.with_name("deployment_package.partial").mkdir()
    with pytest.raises(RuntimeError):
        write_new(old, RuntimeError("this one fails too"))
    assert read_metadata(old) == "old"
    assert list(old.parent.iterdir()) == [old]


def test_link_is_kept_and_its_target_is_replaced(old: Path) -> None:
    link = old.with_name("current")
    link.symlink_to(old.name)
    write_new(link)
    assert link.is_symlink()
    assert read_metadata(link) == "new"


@pytest.mark.parametrize("name", ["notes.txt", "__init__.py", "settings.json"])
def test_folder_that_is_not_a_package_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DataError, match="name another --output"):
        write_new(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "package").write_text("mine")
    with pytest.raises(DataError, match="name another --output"):
        write_new(tmp_path / "package")
    assert (tmp_path / "package").read_text() == "mine"
