"""Control characters in names of files, folders, settings and servers never reach the terminal."""

import logging
from pathlib import Path

import pytest
from support.command_line import asl_edge, parse_json_lines, read_refusal
from support.made_pictures import save, scene

from edge.errors import PictureError
from edge.printable import MAX_CHARACTERS, printable, shorten
from edge.system.logs import _Printable

HOSTILE = "\x1b[2J\nasl-edge: all is well\r\x7f\u202e"
SHOWN = "\\u001b[2J\\u000aasl-edge: all is well\\u000d\\u007f\\u202e"


def assert_harmless(text: str) -> None:
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert not any(line.startswith("asl-edge: all is well") for line in text.splitlines())


def test_letters_of_every_script_stay() -> None:
    text = "Grüße, 你好, שלום, नमस्ते 👋 a b"
    assert printable(text) == text


def test_control_characters_become_escapes() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable("\udcff") == "\\udcff"  # a byte of a name that is not UTF-8
    assert printable("\U000e0041") == "\\U000e0041"


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    text = "a" * MAX_CHARACTERS + "b" * MAX_CHARACTERS
    assert shorten(text)[0] == "a"
    assert shorten(text)[-1] == "b"
    assert len(shorten(text)) == MAX_CHARACTERS + 1


def test_every_error_is_printable() -> None:
    assert str(PictureError(f"{HOSTILE}: the file is empty")) == f"{SHOWN}: the file is empty"


def test_log_line_stays_one_line_and_a_traceback_keeps_its_lines() -> None:
    formatter = _Printable("asl-edge: %(message)s")
    assert formatter.format(logging.makeLogRecord({"msg": HOSTILE})) == f"asl-edge: {SHOWN}"
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, error, error.__traceback__)})
    assert_harmless(formatter.format(record).replace("asl-edge: all is well", ""))


def test_names_in_a_replayed_folder_are_printed_harmlessly(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    (folder / f"a{HOSTILE}.png").write_bytes(b"no picture")
    save(folder / "b.png", scene(1))
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{folder}")
    assert done.returncode == 0
    assert f"a{SHOWN}.png: not a picture" in done.stderr
    assert_harmless(done.stderr)
    (folder / "b.png").unlink()
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{folder}")
    assert done.returncode == 2
    assert_harmless(done.stderr)


def test_predict_keeps_the_name_in_json_and_prints_it_harmlessly(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / HOSTILE).write_bytes(b"no picture")
    done = asl_edge("predict", "--model", tiny_folder, tmp_path / HOSTILE)
    (result,) = parse_json_lines(done.stdout)
    assert result["file"] == str(tmp_path / HOSTILE)
    assert SHOWN in result["error"]
    assert_harmless(done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--camera", HOSTILE],
        ["run", "--camera", f"replay:{HOSTILE}"],
        ["run", "--model", HOSTILE],
        ["run", "--output", f"/nowhere/{HOSTILE}"],
        ["run", "--config", HOSTILE],
        ["run", f"--{HOSTILE}"],
        [HOSTILE],
        ["demo", HOSTILE],
        ["teach", HOSTILE],
        ["bench", "--compare", HOSTILE],
        ["run", "--mqtt", f"mqtt://{HOSTILE}"],
    ],
)
def test_words_of_the_command_line_are_printed_harmlessly(arguments: list[str]) -> None:
    assert_harmless(read_refusal(asl_edge(*arguments)))


def test_values_of_a_settings_file_are_printed_harmlessly(tmp_path: Path) -> None:
    for text in ('[camera]\nsource = "\\u001b[2J\\nx"', '["\\u001b"]', '[camera]\n"\\n\\u001b" = 1'):
        (tmp_path / "s.toml").write_text(text)
        assert_harmless(read_refusal(asl_edge("run", "--config", tmp_path / "s.toml")))


def test_doctor_prints_each_finding_on_one_line(tmp_path: Path) -> None:
    done = asl_edge("doctor", "--model", tmp_path / HOSTILE)
    assert_harmless(done.stdout)
    assert SHOWN in done.stdout
