"""The file of recorded examples: what it keeps, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
from support.signed_letters import N_FEATURES, make_examples

from edge.errors import TeachError
from edge.package import open_package
from edge.personalize.correction import Examples
from edge.personalize.taught_file import TaughtFile, locate_taught_file

ONE, OTHER = "ab" * 32, "cd" * 32  # models' sha256


def test_saved_examples_are_loaded_and_deleted(tmp_path: Path) -> None:
    file, examples = TaughtFile(ONE, tmp_path / "new"), make_examples("MN", "NM", 0)
    assert file.load() is None
    file.save(examples)
    again = file.load()
    assert again is not None
    assert np.array_equal(again.letters, examples.letters)
    assert np.allclose(again.features, examples.features, atol=0.01)
    assert [path.name for path in file.folder.iterdir()] == ["taught-abababababab.npz"]
    assert (file.delete(), file.delete(), file.load()) == (True, False, None)


def test_file_of_another_model_is_refused_and_left_alone(tmp_path: Path) -> None:
    one, other = TaughtFile(ONE, tmp_path), TaughtFile(OTHER, tmp_path)
    one.save(make_examples("MN", "NM", 0))
    assert other.load() is None
    one.path.rename(other.path)
    with pytest.raises(TeachError, match="belongs to another model, abababababab instead of cdcdcdcdcdcd"):
        other.load()
    assert other.path.exists()


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_damaged_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.path.write_bytes(data)
    with pytest.raises(TeachError, match="delete it with asl-edge teach --forget"):
        file.load()


def test_flipped_bytes_anywhere_are_one_sentence(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path, N_FEATURES)
    file.save(make_examples("MN", "NM", 0))
    whole = file.path.read_bytes()
    for start in range(0, len(whole), 97):
        file.path.write_bytes(
            whole[:start] + bytes(b ^ 0x5A for b in whole[start : start + 10]) + whole[start + 10 :]
        )
        said = "delete it with asl-edge teach --forget"
        try:
            file.load()  # a byte that nothing reads may be another
        except TeachError as error:
            said = str(error)
        assert "delete it with asl-edge teach --forget" in said


@pytest.mark.parametrize("what", ["letter", "width", "nan"])
def test_file_with_invalid_examples_is_one_sentence(tmp_path: Path, what: str) -> None:
    file, examples = TaughtFile(ONE, tmp_path, N_FEATURES), make_examples("MN", "NM", 0)
    if what == "letter":
        examples.letters[0] = 77
    elif what == "width":
        examples = Examples(examples.features[:, :-1], examples.logits, examples.letters)
    else:
        examples.features[3, 3] = np.nan
    file.save(examples)
    with pytest.raises(TeachError, match="holds no valid examples: delete it"):
        file.load()


def test_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = TaughtFile(ONE, tmp_path / "file")
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        file.save(make_examples("M", "M", 0))
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        file.check_writable()


def test_save_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.check_writable()
    (file.path / "in the way").mkdir(parents=True)
    with pytest.raises(TeachError, match="can't be kept"):
        file.save(make_examples("M", "M", 0))
    assert list(tmp_path.iterdir()) == [file.path]


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.save(make_examples("M", "M", 0))
    assert file.path.stat().st_mode & 0o077 == 0


def test_file_is_in_the_services_state_directory_by_default(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
    assert locate_taught_file(package, "int8", "").folder == tmp_path / "a"
    assert locate_taught_file(package, "int8", "mine").folder == Path("mine")
    assert locate_taught_file(package, "int8", "").model_sha256 == package.sha256("int8")


def test_user_without_a_home_has_no_file_unless_a_folder_is_named(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    for name in ("HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 98765)  # of nobody in /etc/passwd
    assert locate_taught_file(package, "int8", str(tmp_path)).folder == tmp_path
    file = locate_taught_file(package, "int8", "")
    assert file.folder == Path("/nonexistent/asl-edge")
    assert file.load() is None
