"""Secrets come from files, and from pipes that a shell holds open."""

import os
import threading
from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.system.credentials import read_secret


def test_secret_of_an_open_pipe_is_waited_for() -> None:
    ours, theirs = os.pipe()  # like bash's <(...)

    def write() -> None:
        os.write(theirs, b"a secret\n")
        os.close(theirs)

    writer = threading.Timer(0.2, write)
    writer.start()
    assert read_secret("mqtt.password_file", f"/proc/self/fd/{ours}", "") == "a secret"
    writer.join()
    os.close(ours)


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=r"page.token_file is \S+/pipe, .*: it is a named pipe"):
        read_secret("page.token_file", str(tmp_path / "pipe"), "")
