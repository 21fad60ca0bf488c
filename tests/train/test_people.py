"""People that are made: pictures with exact landmarks, as `prepare` reads them."""

from pathlib import Path

import numpy as np
import pytest
from support.tiny_data import run_train

from edge.errors import DataError
from edge.geometry import box_around, square_around
from edge.preprocess import crop_square
from edge.records import LETTERS
from train.data.prepared import open_prepared
from train.model.landmarker import SIZE_PX, Landmarker
from train.synthetic.people import SOURCE
from train.synthetic.people.render import renderer
from train.synthetic.people.scene import draw_scene

pytest.importorskip("anny", reason="made people are not installed: make venv-people")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of warp, which Anny loads
]


@pytest.fixture(autouse=True)
def needs_opengl() -> None:
    try:
        renderer(64)
    except DataError as error:
        pytest.skip(str(error))


def test_landmark_network_sees_the_made_hand_where_it_is() -> None:
    landmarker, errors = Landmarker(), []
    for k, letter in enumerate("BLVWYILV"):
        scene = draw_scene(np.random.default_rng(k), letter, 320)
        assert scene.landmarks is not None
        square = square_around(box_around(scene.landmarks))
        seen = landmarker(crop_square(scene.image, square, SIZE_PX))["landmarks"]
        expected = (scene.landmarks - square[:2]) / square[2] * SIZE_PX + SIZE_PX / 2
        errors.append(np.linalg.norm(seen - expected, axis=1).mean() / SIZE_PX)
    # a hand in the dark or from aside may be missed; a wrong projection would miss them all
    assert np.median(errors) < 0.06, errors


def test_picture_depends_on_the_seed_only() -> None:
    one, other = (draw_scene(np.random.default_rng(5), "R", 160) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert not np.array_equal(one.image, draw_scene(np.random.default_rng(6), "R", 160).image)


def test_made_people_are_an_input_of_prepare(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert run_train("people", "--output", made, "--pictures", 6, "--workers", 1) == 0
    before = (made / "manifest.csv").read_text()
    # a run that was killed in the middle of a line, before its last picture
    (made / "manifest.csv").write_text(before.rpartition(",")[0][:-20])
    assert run_train("people", "--output", made, "--pictures", 6, "--workers", 2) == 0
    assert (made / "manifest.csv").read_text() == before
    assert run_train("prepare", made / "manifest.csv", "--output", tmp_path / "prepared") == 0
    prepared = open_prepared(tmp_path / "prepared")
    assert len(prepared) == 6
    assert set(prepared.source.tolist()) == {SOURCE}
    signs = np.isin(prepared.letter, (*LETTERS, "del"))
    assert np.isfinite(prepared.landmarks[signs]).all()
    assert not np.isfinite(prepared.landmarks[~signs]).any()


def test_foreign_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("not ours")
    assert run_train("people", "--output", tmp_path, "--pictures", 1) == 2
    assert "was not written by people" in capsys.readouterr().err
