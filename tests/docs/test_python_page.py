"""docs/python.md: its examples run, and the promised names and attributes are there."""

import contextlib
import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge import AslEdgeError, Reader, follow
from edge.cameras.synthetic import open_synthetic
from edge.records import Image

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def picture_of_an_l() -> Image:
    """Return the frame of the drawn signer in which L is held."""
    with open_synthetic("L", fps=10, realtime=False, repeat=False) as camera:
        frames = [frame.image for frame in camera if frame is not None]
    return frames[len(frames) // 2]


def run_example(code: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    return printed.getvalue()


def test_example_that_reads_a_picture_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("hand.jpg", cv2.cvtColor(picture_of_an_l(), cv2.COLOR_RGB2BGR))
    lines = run_example(EXAMPLES[0]).splitlines()
    assert lines[0].startswith("L ")
    assert lines[1].startswith("index fingertip at [")
    assert "missing.jpg" in lines[-1]


def test_example_that_follows_a_camera_spells_the_word() -> None:
    lines = run_example(EXAMPLES[1]).splitlines()
    assert lines[-1].endswith("O  HELLO")


def test_every_name_of_the_page_can_be_imported() -> None:
    named = set(re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE))
    assert named == set(edge.__all__)
    for name in named:
        assert getattr(edge, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'Writer'"):
        edge.Writer  # type: ignore[attr-defined]  # noqa: B018


def test_promised_attributes_are_there() -> None:
    prediction = Reader(threads=1).read(picture_of_an_l())
    assert (prediction.letter, prediction.confidence > 0.5) == ("L", True)
    assert [letter for letter, _ in prediction.top(1)] == ["L"]
    assert prediction.hand is not None
    assert len(prediction.hand.box_xyxy) == 4
    assert prediction.hand.landmarks is not None
    assert prediction.hand.landmarks.shape == (21, 2)
    assert 0.5 < prediction.hand.presence <= 1
    event = next(follow("synthetic:L"))
    assert (event.letter, event.text) == ("L", "L")
    assert event.t_start < event.t_end


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (np.zeros((99, 99), np.uint8), r"must be an array \(H, W, 3\), got \(99, 99\)"),
        (np.zeros((99, 99, 3), np.float32), "must be uint8, 0 to 255, got float32"),
        (np.zeros((2, 99, 3), np.uint8), "at least 16 px a side, got 99x2"),
    ],
)
def test_array_that_is_no_picture_is_refused(picture: Image, sentence: str) -> None:
    with pytest.raises(AslEdgeError, match=sentence):
        Reader(threads=1).read(picture)


def test_unknown_or_wrong_settings_are_refused() -> None:
    with pytest.raises(AslEdgeError, match="there is no setting 'treads'"):
        Reader(treads=1)
    with pytest.raises(AslEdgeError, match="hold_s must be"):
        next(follow("synthetic:L", hold_s="long"))
