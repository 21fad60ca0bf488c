"""Events as JSON lines: their content, when they are written, and errors of streams and files."""

import contextlib
import io
import json
import os
import threading
from pathlib import Path

import pytest
from support.full_disk import FullAfter

from edge.errors import SettingsError
from edge.records import LetterEvent
from edge.sinks.jsonlines import FILE_BYTES, OLD_FILES, JsonFile, JsonLines

EVENT = LetterEvent("A", 0.91234567, 12.0001, 12.5006, "CA")


def test_event_is_one_line_of_json() -> None:
    stream = io.StringIO()
    JsonLines(stream, threading.Event())(EVENT)
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "letter": "A",
        "confidence": 0.9123,
        "t_start": 12.0,
        "t_end": 12.501,
        "text": "CA",
    }


def test_line_is_flushed_at_once() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "w") as stream:
        JsonLines(stream, threading.Event())(EVENT)
        assert os.read(reader.fileno(), 1000).endswith(b"}\n")


def test_closed_reader_stops_the_loop_without_an_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stop = threading.Event()
    stream = os.fdopen(write_end, "w")
    JsonLines(stream, stop)(EVENT)
    assert stop.is_set()
    with contextlib.suppress(BrokenPipeError):  # close() tries to write the line again
        stream.close()


def test_events_are_appended_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    for _ in range(2):
        JsonFile(file)(EVENT)
    assert [json.loads(line)["letter"] for line in file.read_text().splitlines()] == ["A", "A"]


def test_full_file_is_renamed_and_only_the_newest_old_ones_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    sink = JsonFile(file)
    for n in range(OLD_FILES + 2):
        file.write_text(str(n).ljust(FILE_BYTES))
        sink(EVENT)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [file.name, *(f"{file.name}.{n + 1}" for n in range(OLD_FILES))]
    assert json.loads(file.read_text())["letter"] == "A"
    assert (tmp_path / "letters.jsonl.1").read_text()[0] == str(OLD_FILES + 1)


def test_file_that_was_moved_is_created_again(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    sink = JsonFile(file)
    sink(EVENT)
    file.rename(tmp_path / "moved")
    sink(EVENT)
    assert file.read_text() == (tmp_path / "moved").read_text()


def test_error_for_a_full_disk_does_not_contain_the_letter(capfd: pytest.CaptureFixture[str]) -> None:
    sink = JsonFile(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError, match="No space left on device: '/dev/full'") as caught:
            sink(EVENT)
        assert "letter" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_partial_line_on_a_full_disk_is_removed(tmp_path: Path, full_after: FullAfter) -> None:
    file = tmp_path / "letters.jsonl"
    sink = JsonFile(file)
    sink(EVENT)
    with full_after(file.stat().st_size + 10), pytest.raises(OSError, match=r"letters\.jsonl"):
        sink(EVENT)
    sink(EVENT)
    assert [json.loads(line)["letter"] for line in file.read_text().splitlines()] == ["A", "A"]


def test_file_that_cant_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"letters.output is \S+/letters, which .*: no such file"):
        JsonFile(tmp_path / "absent" / "letters")
    with pytest.raises(SettingsError, match="which can't be written: embedded null byte"):
        JsonFile(tmp_path / "\0letters")


def test_named_pipe_without_a_reader_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        SettingsError, match=r"letters.output is \S+/pipe, .*: it is a named pipe, not a file; use '-'"
    ):
        JsonFile(tmp_path / "pipe")


@pytest.mark.parametrize("has_reader", [False, True])
def test_file_that_becomes_a_named_pipe_is_an_error_and_no_wait(tmp_path: Path, has_reader: bool) -> None:
    file = tmp_path / "letters"
    sink = JsonFile(file)
    sink(EVENT)
    file.unlink()
    os.mkfifo(file)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK) if has_reader else -1
    with pytest.raises(OSError, match=r"it is a named pipe, not a file: '\S+/letters'"):
        sink(EVENT)
    if has_reader:
        os.close(reader)
    file.unlink()
    sink(EVENT)
    assert json.loads(file.read_text())["letter"] == "A"


def test_only_owner_and_group_may_read_the_letters(tmp_path: Path) -> None:
    file = tmp_path / "letters"
    before = os.umask(0o022)
    try:
        sink = JsonFile(file)
        file.write_text("0".ljust(FILE_BYTES))
        sink(EVENT)
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in sorted(tmp_path.iterdir())] == ["0o640", "0o640"]
