from typing import Any

import numpy as np
import pytest
from support.made_pictures import scene

from edge.errors import DataError
from train.data.duplicates import across, perceptual_hash
from train.data.split import choose_roles, parse_split


def arrays(*pictures: tuple[str, str, str]) -> dict[str, Any]:
    """(source, letter, role) a picture; every picture of another scene."""
    source, letter, role = (np.array(column) for column in zip(*pictures, strict=True))
    hashes = np.array([perceptual_hash(scene(i)) for i in range(len(pictures))], np.uint64)
    return {"source": source, "letter": letter, "role": role, "phash": hashes}


def test_split_names_a_role_for_a_source() -> None:
    assert parse_split(["anna=test", "a=b=train"]) == {"anna": "test", "a=b": "train"}


@pytest.mark.parametrize("text", ["anna", "anna=holdout", "=test"])
def test_split_that_names_no_role_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="SOURCE=ROLE was wanted"):
        parse_split([text])


def test_split_of_an_unknown_source_names_the_known() -> None:
    with pytest.raises(DataError, match="'carl'; there are: anna, ben"):
        choose_roles(arrays(("anna", "A", ""), ("ben", "A", "")), {"carl": "test"})


def test_split_goes_over_the_manifest() -> None:
    role, warnings = choose_roles(
        arrays(("anna", "A", "train"), ("ben", "A", "train"), ("carl", "A", "test")), {"ben": "validation"}
    )
    assert role.tolist() == ["train", "validation", "test"]
    assert warnings == []


def test_pictures_without_a_role_go_with_the_rest_of_their_source() -> None:
    role, _ = choose_roles(
        arrays(("anna", "A", "train"), ("ben", "A", "validation"), ("ben", "B", ""), ("anna", "B", "")), {}
    )
    assert role.tolist() == ["train", "validation", "validation", "train"]


def test_source_on_both_sides_of_the_split_is_warned_of() -> None:
    _, warnings = choose_roles(
        arrays(("anna", "A", "train"), ("anna", "B", "validation"), ("ben", "A", "train")), {}
    )
    assert warnings == ["source anna has several roles (train, validation): its figures will flatter"]


def test_without_roles_the_smallest_source_with_most_letters_validates() -> None:
    pictures = [("big", letter, "") for letter in "ABCABC"] + [("small", letter, "") for letter in "ABC"]
    role, warnings = choose_roles(arrays(*pictures, ("few", "A", "")), {})
    assert role.tolist() == ["train"] * 6 + ["validation"] * 3 + ["train"]
    assert warnings == [
        "no source was given the role validation: took small; choose with --split SOURCE=validation"
    ]


def test_data_without_training_pictures_is_warned_of() -> None:
    _, warnings = choose_roles(arrays(("anna", "A", "test"), ("ben", "A", "validation")), {})
    assert warnings == ["no picture has the role train: name a source for it with --split SOURCE=train"]


def test_one_source_is_split_between_near_duplicates_and_never_through_them() -> None:
    shots = [(letter, take) for letter in "ABC" for take in range(20)]
    hashes = np.array(
        [
            perceptual_hash(scene(100 * ord(letter) + take)) ^ (1 << k)
            for letter, take in shots
            for k in range(3)
        ],
        np.uint64,
    )
    letters = np.array([letter for letter, _ in shots for _ in range(3)])
    empty = np.array([""] * len(letters))
    table = {"source": np.array(["mine"] * len(letters)), "letter": letters, "role": empty, "phash": hashes}
    role, warnings = choose_roles(table, {})
    for letter in "ABC":
        assert 3 <= (role[letters == letter] == "validation").sum() <= 0.15 * 60
    assert len(across(hashes, role)[0]) == 0
    assert "its figures will flatter" in warnings[0]
    again, _ = choose_roles(table, {})
    np.testing.assert_array_equal(role, again)


def test_one_scene_a_letter_gives_no_validation_and_says_so() -> None:
    table = arrays(*[("mine", "A", "")] * 5)
    table["phash"] = np.zeros(5, np.uint64)
    role, warnings = choose_roles(table, {})
    assert set(role.tolist()) == {"train"}
    assert any("no picture has the role validation" in text for text in warnings)


def test_folders_named_train_and_test_are_no_signers() -> None:
    _, warnings = choose_roles(arrays(("train", "A", ""), ("Test", "A", "")), {})
    assert warnings[0].startswith("Test, train: named like a split, not like signers")
