"""Settings from a file and from flags; each error is one sentence with file, line and key."""

import dataclasses
import logging
import os
import runpy
from pathlib import Path

import pytest

from edge.commands.flags import with_flags
from edge.errors import SettingsError
from edge.settings import SETTINGS, TABLES, Settings
from edge.settings_file import read_settings

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_file_changes_only_the_settings_that_it_names(file: Path) -> None:
    file.write_text(
        '# my camera\n[camera]\nsource = "usb:/dev/video2"\n[letters]\nhold_s = 1  # second\n'
        "[model]\nthread_spinning = true\n"
    )
    settings = read_settings(file)
    assert settings == dataclasses.replace(
        Settings(), camera="usb:/dev/video2", hold_s=1.0, thread_spinning=True
    )
    assert type(settings.hold_s) is float


@pytest.mark.parametrize("text", ["", "[camera]\n", "# nothing\n"])
def test_file_without_settings_gives_the_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert read_settings(file) == Settings()


def test_tables_can_be_written_as_dotted_keys_and_inline(file: Path) -> None:
    file.write_text('camera = {source = "pi", fps = 15}\nletters.hold_s = 1\n')
    settings = read_settings(file)
    assert (settings.camera, settings.fps, settings.hold_s) == ("pi", 15.0, 1.0)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().hold_s = 1.0  # type: ignore[misc]


def test_every_setting_has_a_table_a_unique_key_and_a_help_text() -> None:
    assert {setting.table for setting in SETTINGS.values()} == set(TABLES)
    assert len({setting.path for setting in SETTINGS.values()}) == len(SETTINGS)
    assert all(setting.help for setting in SETTINGS.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n[letters]\nholds = 0.4\n",
            "line 3: there is no setting 'holds' in [letters]; did you mean 'hold_s'?",
        ),
        (
            "[camera]\nhold_s = 1",
            "line 2: there is no setting 'hold_s' in [camera]; did you mean 'hold_s' in [letters]?",
        ),
        (
            "[letters]\ngap_s = 1",
            "line 2: there is no setting 'gap_s' in [letters]; did you mean 'release_s' in [letters]?",
        ),
        ("[log]\nzebra = 1", "line 2: there is no setting 'zebra' in [log]; the keys of [log] are level"),
        (
            "[page]\n\n[camera]\nname = 1",
            "line 4: there is no setting 'name' in [camera]; did you mean 'name' in [mqtt]?",
        ),
        ("[broker]\nhost = 'x'", "line 1: there is no table 'broker'; the tables are [camera], [model], "),
        ("[log]\n[lettres]\n", "line 2: there is no table 'lettres'; did you mean [letters]?"),
        ("hold = 1", "line 1: there is no setting 'hold'; did you mean 'hold_s' in [letters]?"),
        ("zebra = 1", "line 1: there is no setting 'zebra'; the tables are [camera], "),
        ("[camera]\nfps = 5\n[letters]\n'hold_s' = '1'", "line 4: letters.hold_s must be a number, got '1'"),
        ("letters.hold_s = '1'", "line 1: letters.hold_s must be a number, got '1'"),
        ("[model]\nthreads = 2.5", "line 2: model.threads must be a whole number, got 2.5"),
        ("[model]\nthreads = true", "line 2: model.threads must be a whole number, got true"),
        ("[model]\nthread_spinning = 1", "line 2: model.thread_spinning must be true or false, got 1"),
        ("[camera]\nsource = 0", "line 2: camera.source must be text in quotes, got 0"),
        ("[camera.source]\nusb = 0", "line 1: camera.source must be text in quotes, got a table"),
        ("[model]\nthreads = 0", "line 2: model.threads must be from 1 to 64, got 0"),
        ("[model]\nmin_confidence = 1.01", "line 2: model.min_confidence must be from 0 to 1, got 1.01"),
        ("[letters]\nhold_s = nan", "line 2: letters.hold_s must be from 0.05 to 10, got nan"),
        ("[camera]\nfps = inf", "line 2: camera.fps must be from 1 to 240, got inf"),
        ("[camera]\nrotation_deg = 45", "line 2: camera.rotation_deg must be one of 0, 90, 180, 270, got 45"),
        (
            '[model]\nvariant = "int4"',
            "line 2: model.variant must be one of int8, float, dynamic, got 'int4'",
        ),
        (
            '[model]\nengine = "onnx"',
            "line 2: there is no setting 'engine' in [model]; did you mean 'variant' in [model]?",
        ),
    ],
)  # fmt: skip
def test_wrong_setting_names_file_line_and_key(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(file)
    assert str(caught.value).startswith(f"{file} {message}")


@pytest.mark.parametrize("text", ["[log]\nhold_s = = 1", "[log]\n[log]", "[log]\nlevel = info"])
def test_bad_toml_names_file_and_line(file: Path, text: str) -> None:
    file.write_text(text + "\n")
    with pytest.raises(SettingsError, match=r"settings\.toml is not valid TOML: .*line 2"):
        read_settings(file)


def test_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"camera = '\xff\xfe'")
    with pytest.raises(SettingsError, match="is not text"):
        read_settings(file)


def test_absent_file_is_refused(file: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read: no such file or directory"):
        read_settings(file)


def test_flags_override_the_file_and_absent_flags_do_not() -> None:
    settings = dataclasses.replace(Settings(), camera="usb:1", hold_s=0.7)
    flagged = with_flags(settings, {"camera": "usb:2", "hold_s": None, "threads": 1, "word": "HI"})
    assert (flagged.camera, flagged.hold_s, flagged.threads) == ("usb:2", 0.7, 1)


def test_wrong_flag_is_named_as_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--min-confidence must be from 0 to 1, got 2\.0"):
        with_flags(Settings(), {"min_confidence": 2.0})


def test_settings_page_is_up_to_date() -> None:
    page = runpy.run_path(str(REPOSITORY / "docs/settings_page.py"))["settings_page"]()
    assert (REPOSITORY / "docs/settings.md").read_text() == page, "run make docs"


# names of asl-edge 0.1


def test_flat_file_of_the_last_release_is_read_with_a_warning_per_key(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text('camera = "pi"\ngap_s = 1\nspinning = true\npage = "[::1]:80"\n[mqtt]\nname = "hall"\n')
    for _ in range(2):  # a reload does not repeat the warnings
        settings = read_settings(file)
    assert settings == dataclasses.replace(
        Settings(), camera="pi", release_s=1.0, thread_spinning=True, page="[::1]:80", mqtt_name="hall"
    )
    form = "'{}' is now '{}' in the table [{}]; version 0.3 refuses the old form"
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, f"{file}: {form.format(*names)}")
        for names in (
            ("camera", "source", "camera"),
            ("gap_s", "release_s", "letters"),
            ("spinning", "thread_spinning", "model"),
            ("page", "listen", "page"),
        )
    ]


def test_key_that_only_moved_into_a_table_is_named_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("hold_s = 0.3\n")
    assert read_settings(file).hold_s == 0.3
    expected = f"{file}: 'hold_s' is now in the table [letters]; version 0.3 refuses the old form"
    assert [record.message for record in caplog.records] == [expected]


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ('engine = "torchscript"', "dynamic"),
        ('engine = "torchscript"\nvariant = "dynamic"', "dynamic"),
        ('engine = "onnx"', "int8"),
        ('engine = "onnx"\nvariant = "float"', "float"),
        ('engine = "onnx"\nvariant = ""', "int8"),
    ],
)
def test_engine_of_the_last_release_selects_the_variant(file: Path, text: str, variant: str) -> None:
    file.write_text(text)
    assert read_settings(file).variant == variant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('fps = 5\nengine = "tensorrt"', "line 2: engine must be one of onnx, torchscript, got 'tensorrt'"),
        (
            'engine = "torchscript"\nvariant = "int8"',
            "line 2: variant is given twice, as 'dynamic' and as 'int8'",
        ),
        ("gap_s = 1\n[letters]\nrelease_s = 2", "line 3: letters.release_s is given twice, as 1.0 and as 2"),
        ("camera = 0", "line 1: camera must be text in quotes, got 0"),
        ("gap_s = 20", "line 1: gap_s must be from 0.05 to 10, got 20"),
    ],
)  # fmt: skip
def test_wrong_setting_of_the_last_release_names_file_line_and_key(
    file: Path, text: str, message: str
) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings(file)
    assert str(caught.value).startswith(f"{file} {message}")


def test_old_flag_is_accepted_with_a_warning_that_names_the_new_one(caplog: pytest.LogCaptureFixture) -> None:
    settings = with_flags(Settings(), {"engine": "torchscript", "gap_s": 1.0, "flip": True})
    assert (settings.variant, settings.release_s, settings.hflip) == ("dynamic", 1.0, True)
    assert [record.message for record in caplog.records] == [
        f"{old} is now {new}; version 0.3 refuses the old flag"
        for old, new in (("--engine", "--variant"), ("--gap-s", "--release-s"), ("--flip", "--hflip"))
    ]


def test_byte_order_mark_of_an_editor_is_ignored(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[letters]\nhold_s = 0.3\n")
    assert read_settings(file).hold_s == 0.3


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="pipe can't be read: it is a named pipe"):
        read_settings(tmp_path / "pipe")


def test_endless_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="/dev/zero can't be read: it is a device"):
        read_settings(Path("/dev/zero"))
