"""Settings from a file and from flags; each mistake is one sentence with key, file and line."""

import dataclasses
from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.settings import Settings, read_settings, with_flags


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_file_replaces_what_it_names_and_nothing_else(file: Path) -> None:
    file.write_text('# my camera\ncamera = "usb:/dev/video2"\nhold_s = 1  # second\nspinning = true\n')
    expected = dataclasses.replace(Settings(), camera="usb:/dev/video2", hold_s=1.0, spinning=True)
    settings = read_settings(file)
    assert settings == expected
    assert type(settings.hold_s) is float


def test_empty_file_is_all_defaults(file: Path) -> None:
    file.write_text("")
    assert read_settings(file) == Settings()


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().hold_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n\nholds = 0.4\n", "line 3: there is no setting 'holds'; did you mean 'hold_s'?"),
        ("zebra = 1", "line 1: there is no setting 'zebra'; the keys are camera, model, "),
        ("fps = 5\n[camera]\nname = 1", "line 2: 'camera' is {'name': 1}; a text in quotes was wanted"),
        ("fps = 5\n[broker]\nhost = 'x'", "line 2: there is no setting 'broker'"),
        ("fps = 5\n'hold_s' = '1'", "line 2: 'hold_s' is '1'; a number was wanted"),
        ("threads = 2.5", "line 1: 'threads' is 2.5; a whole number was wanted"),
        ("threads = true", "line 1: 'threads' is True; a whole number was wanted"),
        ("spinning = 1", "line 1: 'spinning' is 1; true or false was wanted"),
        ("camera = 0", "line 1: 'camera' is 0; a text in quotes was wanted"),
        ("threads = 0", "line 1: 'threads' is 0; it must be from 1 to 64"),
        ("min_confidence = 1.01", "line 1: 'min_confidence' is 1.01; it must be from 0.0 to 1.0"),
        ("hold_s = nan", "line 1: 'hold_s' is nan; it must be from 0.05 to 10.0"),
        ("fps = inf", "line 1: 'fps' is inf; it must be from 1.0 to 240.0"),
        ('engine = "tensorrt"', "line 1: 'engine' is 'tensorrt'; it must be one of onnx, torchscript"),
        ("rotation_deg = 45", "line 1: 'rotation_deg' is 45; it must be one of 0, 90, 180, 270"),
        ('variant = "int4"', "line 1: 'variant' is 'int4'; it must be one of int8, float, dynamic"),
    ],
)
def test_wrong_setting_names_key_file_and_line(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(file)
    assert str(caught.value).startswith(f"{file} {says}")


@pytest.mark.parametrize("text", ["fps = 5\nhold_s = = 1", "fps = 5\nfps = 6", "fps = 5\ncamera = usb:0"])
def test_bad_toml_names_file_and_line(file: Path, text: str) -> None:
    file.write_text(text + "\n")
    with pytest.raises(SettingsError, match=r"settings\.toml is not valid TOML: .*line 2"):
        read_settings(file)


def test_file_that_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"camera = '\xff\xfe'")
    with pytest.raises(SettingsError, match="is no text"):
        read_settings(file)


def test_absent_file_is_refused(file: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read: no such file or directory"):
        read_settings(file)


def test_flags_go_over_the_file_and_absent_flags_do_not() -> None:
    settings = dataclasses.replace(Settings(), camera="usb:1", hold_s=0.7)
    flagged = with_flags(settings, {"camera": "usb:2", "hold_s": None, "threads": 1})
    assert (flagged.camera, flagged.hold_s, flagged.threads) == ("usb:2", 0.7, 1)


def test_wrong_flag_is_named_as_it_is_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--min-confidence: 'min_confidence' is 2.0; it must be from"):
        with_flags(Settings(), {"min_confidence": 2.0})
