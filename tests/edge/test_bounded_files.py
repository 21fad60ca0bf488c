"""A file is read if it has an end and fits its limit; everything else is refused without waiting."""

import os
import threading
from pathlib import Path

import pytest

from edge.system.bounded_files import parse_json, read_bounded


def test_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it is larger than 4 bytes, the limit for such a file"):
        read_bounded(tmp_path / "file", 4)


def test_file_that_hides_its_size_is_held_to_the_limit() -> None:
    assert Path("/proc/self/status").stat().st_size == 0
    with pytest.raises(OSError, match="it is larger than 10 bytes"):
        read_bounded(Path("/proc/self/status"), 10)


def test_file_that_waits_for_more_is_refused() -> None:
    kernel_log = Path("/proc/kmsg")
    if not os.access(kernel_log, os.R_OK):
        pytest.skip("only root may read the kernel's log")
    with pytest.raises(OSError, match=r"it has no end|it is larger than 10 bytes"):
        read_bounded(kernel_log, 10)


def test_sparse_file_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="it is larger than 1,000 bytes"):
        read_bounded(tmp_path / "disk.img", 1000)


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a named pipe, not a file"):
        read_bounded(tmp_path / "pipe", 1000)


def test_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_bounded(tmp_path / "link", 1000)


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 1000)


def test_pipe_of_a_shell_is_read_to_its_end() -> None:
    ours, theirs = os.pipe()  # like bash's <(...)

    def write() -> None:
        os.write(theirs, b"text")
        os.close(theirs)

    writer = threading.Timer(0.2, write)
    writer.start()
    assert read_bounded(Path(f"/proc/self/fd/{ours}"), 4) == b"text"
    writer.join()
    os.close(ours)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[NaN]", "NaN is not a number in JSON"),
        (b"-Infinity", "-Infinity is not a number in JSON"),
        (b'"\xff"', "it is not UTF-8 text"),
        (b"9" * 10_000, "Exceeds the limit"),
        (b"{", "Expecting property name"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_cant_be_used_is_a_value_error(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(data)


def test_json_is_parsed() -> None:
    assert parse_json('{"a": [1, "ü"]}'.encode()) == {"a": [1, "ü"]}
