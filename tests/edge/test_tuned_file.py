"""`bench --tune` changes three settings of a file and leaves the rest as it is."""

import re
from pathlib import Path

import pytest
from support.full_disk import FullAfter

from edge.bench.tuned_file import write_tuned
from edge.errors import SettingsError
from edge.settings import Settings
from edge.settings_file import read_settings

BEST = Settings(variant="int8", threads=2)
NOTE = "3.50 ms a frame"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def tuned(path: Path, text: str) -> str:
    """Write the best into a file of this text, twice, and return the new text."""
    for _ in range(2):  # the second time it finds its own lines
        write_tuned(path, text, BEST, NOTE)
        text = path.read_text()
    assert text.count("bench --tune") == 1
    assert re.search(rf"--tune, \d{{4}}-\d\d-\d\d .*: {NOTE}\nthreads = ", text)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return text


def without_note(text: str) -> str:
    return re.sub(r"(?m)^# asl-edge bench --tune.*\n", "", text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[model]\nvariant = "int8"\nthreads = 2\nthread_spinning = false\n'),
        ("# mine\n", '# mine\n\n[model]\nvariant = "int8"\nthreads = 2\nthread_spinning = false\n'),
        (
            '[camera]\nsource = "usb:1"  # left\n',
            '[camera]\nsource = "usb:1"  # left\n\n'
            '[model]\nvariant = "int8"\nthreads = 2\nthread_spinning = false\n',
        ),
        (
            "[model]\nthreads = 1  # one\nthread_spinning = true\n\n# letters\n[letters]\nhold_s = 1\n",
            '[model]\nthreads = 2  # one\nthread_spinning = false\nvariant = "int8"\n\n'
            "# letters\n[letters]\nhold_s = 1\n",
        ),
    ],
)
def test_tuned_settings_stand_in_their_table_and_all_else_is_kept(
    path: Path, before: str, after: str
) -> None:
    assert without_note(tuned(path, before)) == after
    assert read_settings(path).threads == 2


def test_flat_file_of_the_last_release_gets_tables_and_keeps_its_comments(path: Path) -> None:
    before = (
        '# the kitchen\n\n# left\ncamera = "usb:1"\nengine = "torchscript"\n'
        "threads = 1  # one\nspinning = true\n"
        'gap_s = 1\n\n# at home\n[mqtt]\nuser = "me"\n'
    )
    after = (
        '# the kitchen\n\n[camera]\n# left\nsource = "usb:1"\n\n'
        '[model]\nthreads = 2  # one\nthread_spinning = false\nvariant = "int8"\n\n'
        '[letters]\nrelease_s = 1\n\n# at home\n[mqtt]\nuser = "me"\n'
    )
    assert without_note(tuned(path, before)) == after
    settings = read_settings(path)
    assert (settings.camera, settings.threads, settings.variant) == ("usb:1", 2, "int8")


def test_model_settings_in_another_form_than_a_table_are_refused(path: Path) -> None:
    path.write_text("model.threads = 1\n")
    with pytest.raises(SettingsError, match=r"settings\.toml is not valid TOML"):
        write_tuned(path, path.read_text(), BEST, NOTE)
    assert path.read_text() == "model.threads = 1\n"


def test_full_disk_leaves_the_settings_as_they_were(path: Path, full_after: FullAfter) -> None:
    path.write_text("[camera]\nfps = 15\n")
    with full_after(20), pytest.raises(SettingsError, match=r"settings\.toml can't be written: "):
        write_tuned(path, path.read_text(), BEST, NOTE)
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [
        ("settings.toml", "[camera]\nfps = 15\n")
    ]


def test_link_to_the_settings_stays_and_their_mode_too(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("[camera]\nfps = 15\n")
    real.chmod(0o600)
    link.symlink_to(real)
    write_tuned(link, real.read_text(), BEST, NOTE)
    assert link.is_symlink()
    assert read_settings(real).fps == 15
    assert real.stat().st_mode & 0o777 == 0o600
