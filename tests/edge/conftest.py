"""Fixtures that several tests of the runtime share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.page_board import Board


@pytest.fixture
def start_board(tiny_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Board]]:
    """Start boards with the tiny network, which reads F from everything, and end them after the test."""
    boards: list[Board] = []

    def begin(*flags: str | Path, **options: Any) -> Board:
        defaults = (
            "--camera",
            "synthetic:A",
            "--fps",
            "10",
            "--model",
            tiny_folder,
            "--state-dir",
            tmp_path / "t",
        )
        boards.append(Board(*defaults, *flags, **options))
        return boards[-1]

    yield begin
    for board in boards:
        if board.process.poll() is None:
            board.end()
