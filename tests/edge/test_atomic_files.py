"""Files and folders are replaced completely or not at all."""

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


def accept(folder: Path) -> None:
    """A check that every folder passes."""


def fail_to_write_file(path: Path, failure: BaseException) -> None:
    with replaced_file(path) as partial:
        partial.write_text("new")
        raise failure


def fail_to_write_folder(path: Path, failure: BaseException) -> None:
    with replaced_folder(path, accept) as partial:
        (partial / "name").write_text("new")
        raise failure


def test_file_is_replaced_and_keeps_its_mode(file: Path) -> None:
    with replaced_file(file) as partial:
        partial.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_symbolic_link_is_kept_and_its_target_replaced(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file.name)
    with replaced_file(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError(), OSError()])
def test_failure_leaves_the_old_file_and_no_partial_file(file: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)):
        fail_to_write_file(file, failure)
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_folder_is_replaced_completely(folder: Path) -> None:
    with replaced_folder(folder, accept) as partial:
        (partial / "other").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["other"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError(), OSError()])
def test_failure_leaves_the_old_folder_and_no_partial_folder(folder: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)):
        fail_to_write_folder(folder, failure)
    assert (folder / "name").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


def test_folder_that_fails_the_check_is_not_replaced(folder: Path) -> None:
    def refuse(folder: Path) -> None:
        raise SettingsError("not this one")

    with pytest.raises(SettingsError), replaced_folder(folder, refuse):
        pytest.fail("the check did not run")
    assert (folder / "name").read_text() == "old"


def test_folder_of_a_run_killed_between_its_renames_is_restored_by_the_next_run(folder: Path) -> None:
    folder.rename(folder.with_name("package.old"))
    folder.with_name("package.partial").mkdir()
    with pytest.raises(RuntimeError), replaced_folder(folder, accept):
        raise RuntimeError
    assert (folder / "name").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


def test_os_error_becomes_one_sentence_of_the_requested_class(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"^it can't be read: no such file or directory; name another$"),
        os_errors_as(SettingsError, "it can't be read", "name another"),
    ):
        (tmp_path / "absent").read_text()
