from pathlib import Path

import pytest
from support.made_pictures import save, scene
from support.manifests import write_manifest

from edge.errors import DataError
from train.data.inputs import BOX_COLUMNS, LANDMARK_COLUMNS, list_inputs


def test_folders_of_letters_in_any_case_are_one_source(tmp_path: Path) -> None:
    for name in ("a/1.png", "B/1.JPG", "Space/1.webp", "NOTHING/1.bmp", "del/1.png"):
        save(tmp_path / "mine" / name, scene(0))
    items, problems = list_inputs([str(tmp_path / "mine")])
    assert [item.letter for item in items] == ["B", "nothing", "space", "A", "del"]
    assert {item.source for item in items} == {"mine"}
    assert problems == []


def test_folder_per_signer_gives_a_source_per_signer(tmp_path: Path) -> None:
    for name in ("anna/A/1.png", "anna/B/1.png", "ben/A/1.png"):
        save(tmp_path / name, scene(0))
    items, _ = list_inputs([str(tmp_path)])
    assert [(item.source, item.letter) for item in items] == [("anna", "A"), ("anna", "B"), ("ben", "A")]


def test_signers_named_like_letters_stay_signers(tmp_path: Path) -> None:
    for name in ("A/a/1.png", "A/b/1.png", "B/a/1.png"):
        save(tmp_path / name, scene(0))
    items, _ = list_inputs([str(tmp_path)])
    assert [(item.source, item.letter) for item in items] == [("A", "A"), ("A", "B"), ("B", "A")]


def test_letters_beside_the_folder_of_a_friend_are_all_read(tmp_path: Path) -> None:
    for name in ("mine/A/1.png", "mine/B/1.png", "mine/ben/A/1.png"):
        save(tmp_path / name, scene(0))
    items, problems = list_inputs([str(tmp_path / "mine")])
    assert sorted((item.source, item.letter) for item in items) == [
        ("ben", "A"),
        ("mine", "A"),
        ("mine", "B"),
    ]
    assert problems == []


def test_letter_unpacked_into_its_own_folder_is_that_letter(tmp_path: Path) -> None:
    for name in ("A/1.png", "B/B/1.png", "B/B/more/2.png", "C/1.png"):
        save(tmp_path / "mine" / name, scene(0))
    items, problems = list_inputs([str(tmp_path / "mine")])
    assert [item.letter for item in items] == ["A", "B", "B", "C"]
    assert {item.source for item in items} == {"mine"}
    assert problems == []


def test_clutter_of_operating_systems_is_no_picture_and_no_problem(tmp_path: Path) -> None:
    save(tmp_path / "A" / "1.png", scene(0))
    for name in ("__MACOSX/A/._1.png", "A/._1.png", "A/Thumbs.db", ".DS_Store", "desktop.ini", "A/.git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\26\7")
    items, problems = list_inputs([str(tmp_path)])
    assert [item.file for item in items] == ["A/1.png"]
    assert problems == []


def test_folder_with_a_given_name_is_one_source(tmp_path: Path) -> None:
    for name in ("train/A/1.png", "test/A/1.png"):
        save(tmp_path / name, scene(0))
    items, _ = list_inputs([f"anna={tmp_path}"])
    assert [item.source for item in items] == ["anna", "anna"]


def test_inputs_of_the_same_name_get_the_name_of_their_parent(tmp_path: Path) -> None:
    for signer in ("anna", "ben"):
        save(tmp_path / signer / "pictures" / "A" / "1.png", scene(0))
    items, _ = list_inputs([str(tmp_path / signer / "pictures") for signer in ("anna", "ben")])
    assert [item.source for item in items] == ["anna-pictures", "ben-pictures"]
    assert len({item.file for item in items}) == 2


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("ab/1.png", "the folder 'ab' is not named like a letter"),
        ("A/notes.txt", "unsupported picture format '.txt'"),
        ("stray.png", "not in a folder of a letter"),
        ("holiday/beach/1.png", "the folder 'holiday' is not named like a letter"),
    ],
)
def test_file_out_of_place_is_named_and_left_out(tmp_path: Path, file: str, why: str) -> None:
    save(tmp_path / "A" / "1.png", scene(0))
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"x")
    items, problems = list_inputs([str(tmp_path)])
    assert [item.file for item in items] == ["A/1.png"]
    assert [(problem.why, problem.left_out) for problem in problems] == [(why, True)]
    assert file.startswith(problems[0].file)


def test_folder_without_letters_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "holiday" / "1.png", scene(0))
    with pytest.raises(DataError, match="holds no folders of letters"):
        list_inputs([str(tmp_path)])


def test_absent_input_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; an input must be a manifest.csv"):
        list_inputs([str(tmp_path / "nowhere")])


def test_manifest_row_gives_every_label_of_a_picture(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "file": "x/1.png",
        "letter": "q",
        "source": "anna",
        "role": "Test",
        "kind": "frame",
    }
    row |= {"licence": "MIT", "width": 64, "height": 48}
    row |= dict(zip(BOX_COLUMNS, (1, 2, 30, 40), strict=True))
    row |= {name: i for i, name in enumerate(LANDMARK_COLUMNS)}
    items, problems = list_inputs([write_manifest(tmp_path / "m.csv", [row])])
    (item,) = items
    assert problems == []
    assert (item.path, item.letter, item.source, item.split) == (tmp_path / "x/1.png", "Q", "anna", "test")
    assert (item.kind, item.licence, item.size_px) == ("frame", "MIT", (64, 48))
    assert item.box_xyxy is not None
    assert item.box_xyxy.tolist() == [1, 2, 30, 40]
    assert item.landmarks is not None
    assert item.landmarks[20].tolist() == [40, 41]


def test_manifest_of_two_columns_is_enough(tmp_path: Path) -> None:
    items, problems = list_inputs(
        [write_manifest(tmp_path / "set/m.csv", [{"file": "1.png", "letter": "A"}])]
    )
    assert problems == []
    assert (items[0].source, items[0].split, items[0].box_xyxy, items[0].landmarks) == ("set", "", None, None)


@pytest.mark.parametrize("column", ["file", "letter"])
def test_manifest_without_a_needed_column_is_refused(tmp_path: Path, column: str) -> None:
    row: dict[str, object] = {"file": "1.png", "letter": "A", "source": "x"}
    del row[column]
    with pytest.raises(DataError, match=f"has no column '{column}'; it needs file and letter"):
        list_inputs([write_manifest(tmp_path / "m.csv", [row])])


def test_manifest_that_is_not_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(DataError, match="can't be read as a CSV table"):
        list_inputs([str(tmp_path / "m.csv")])


def test_row_without_letter_or_file_is_reported_with_its_line(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"file": "1.png", "letter": "A"},
        {"file": "2.png", "letter": "AA"},
        {"file": "", "letter": "B"},
        {"file": "1.png", "letter": "A"},
    ]
    items, problems = list_inputs([write_manifest(tmp_path / "m.csv", rows)])
    assert [item.file for item in items] == ["1.png"]
    assert [(problem.file, problem.why) for problem in problems] == [
        ("2.png", "'AA' is not a letter (line 3)"),
        ("m.csv", "no file is named (line 4)"),
        ("1.png", "listed twice"),
    ]


def test_text_in_a_number_column_drops_the_box_and_keeps_the_picture(tmp_path: Path) -> None:
    row: dict[str, object] = {"file": "1.png", "letter": "A"}
    row |= dict(zip(BOX_COLUMNS, (1, "two", 30, 40), strict=True))
    row |= dict.fromkeys(LANDMARK_COLUMNS, "nan")
    items, problems = list_inputs([write_manifest(tmp_path / "m.csv", [row])])
    assert items[0].box_xyxy is None
    assert items[0].landmarks is None
    assert [(problem.why, problem.left_out) for problem in problems] == [
        ("box dropped: not all of its columns hold numbers", False),
        ("landmarks dropped: not all of its columns hold numbers", False),
    ]


def test_unknown_role_is_refused(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"file": "1.png", "letter": "A", "role": "holdout"}]
    with pytest.raises(DataError, match="must be one of train, validation, test, got 'holdout'"):
        list_inputs([write_manifest(tmp_path / "m.csv", rows)])
