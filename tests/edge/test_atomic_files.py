"""A file or folder is replaced as a whole or not at all."""

import stat
from pathlib import Path

import pytest

from edge.errors import SettingsError, os_errors_as
from edge.system.atomic_files import replaced_file, replaced_folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text("old")
    path.chmod(0o640)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "package"
    path.mkdir()
    (path / "name").write_text("old")
    return path


def check_nothing(folder: Path) -> None:
    pass


def write_file(path: Path, failure: BaseException) -> None:
    with replaced_file(path) as partial:
        partial.write_text("new")
        raise failure


def write_folder(path: Path, failure: BaseException) -> None:
    with replaced_folder(path, check_nothing) as partial:
        (partial / "name").write_text("new")
        raise failure


def test_file_is_replaced_and_keeps_its_mode(file: Path) -> None:
    with replaced_file(file) as partial:
        partial.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_link_to_a_file_stays_and_its_target_is_replaced(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file.name)
    with replaced_file(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError(), OSError()])
def test_failure_leaves_the_file_as_it_was_and_nothing_beside_it(file: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)):
        write_file(file, failure)
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_folder_is_replaced_as_a_whole(folder: Path) -> None:
    with replaced_folder(folder, check_nothing) as partial:
        (partial / "other").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["other"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError(), OSError()])
def test_failure_leaves_the_folder_as_it_was_and_nothing_beside_it(
    folder: Path, failure: BaseException
) -> None:
    with pytest.raises(type(failure)):
        write_folder(folder, failure)
    assert (folder / "name").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


def test_folder_that_the_check_refuses_is_not_touched(folder: Path) -> None:
    def refuse(folder: Path) -> None:
        raise SettingsError("not this one")

    with pytest.raises(SettingsError), replaced_folder(folder, refuse):
        pytest.fail("the check was not asked")
    assert (folder / "name").read_text() == "old"


def test_folder_of_a_run_killed_between_the_renames_is_restored_by_the_next(folder: Path) -> None:
    folder.rename(folder.with_name("package.old"))
    folder.with_name("package.partial").mkdir()
    with pytest.raises(RuntimeError), replaced_folder(folder, check_nothing):
        raise RuntimeError
    assert (folder / "name").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


def test_os_error_becomes_one_sentence_of_the_given_class(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"^it can't be read: no such file or directory; name another$"),
        os_errors_as(SettingsError, "it can't be read", "name another"),
    ):
        (tmp_path / "absent").read_text()
