from typing import Any

import numpy as np
import pytest
from support.made_pictures import scene

from edge.errors import DataError
from train.data.duplicates import find_across, perceptual_hash
from train.data.split import assign_splits, parse_split


def arrays(*pictures: tuple[str, str, str]) -> dict[str, Any]:
    """Return index arrays of (source, letter, split) pictures, each of another scene."""
    source, letter, split = (np.array(column) for column in zip(*pictures, strict=True))
    hashes = np.array([perceptual_hash(scene(i)) for i in range(len(pictures))], np.uint64)
    return {"source": source, "letter": letter, "split": split, "phash": hashes}


def test_split_flag_assigns_a_source() -> None:
    assert parse_split(["anna=test", "a=b=train"]) == {"anna": "test", "a=b": "train"}


@pytest.mark.parametrize("text", ["anna", "anna=holdout", "=test"])
def test_split_flag_without_a_split_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="must be SOURCE=SPLIT"):
        parse_split([text])


def test_split_flag_for_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="'carl'; there are: anna, ben"):
        assign_splits(arrays(("anna", "A", ""), ("ben", "A", "")), {"carl": "test"})


def test_split_flag_overrides_the_manifest() -> None:
    split, warnings = assign_splits(
        arrays(("anna", "A", "train"), ("ben", "A", "train"), ("carl", "A", "test")), {"ben": "validation"}
    )
    assert split.tolist() == ["train", "validation", "test"]
    assert warnings == []


def test_pictures_without_a_split_go_with_the_rest_of_their_source() -> None:
    split, _ = assign_splits(
        arrays(("anna", "A", "train"), ("ben", "A", "validation"), ("ben", "B", ""), ("anna", "B", "")), {}
    )
    assert split.tolist() == ["train", "validation", "validation", "train"]


def test_source_in_several_splits_gives_a_warning() -> None:
    _, warnings = assign_splits(
        arrays(("anna", "A", "train"), ("anna", "B", "validation"), ("ben", "A", "train")), {}
    )
    assert warnings == ["source anna is in several splits (train, validation): its accuracy will be too high"]


def test_without_splits_the_smallest_source_with_most_letters_validates() -> None:
    pictures = [("big", letter, "") for letter in "ABCABC"] + [("small", letter, "") for letter in "ABC"]
    split, warnings = assign_splits(arrays(*pictures, ("few", "A", "")), {})
    assert split.tolist() == ["train"] * 6 + ["validation"] * 3 + ["train"]
    assert warnings == [
        "no source was assigned to validation: took small; choose with --split SOURCE=validation"
    ]


def test_data_without_training_pictures_gives_a_warning() -> None:
    _, warnings = assign_splits(arrays(("anna", "A", "test"), ("ben", "A", "validation")), {})
    assert warnings == ["the split train is empty: name a source for it with --split SOURCE=train"]


def test_near_duplicates_of_one_source_stay_on_one_side() -> None:
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
    table = {"source": np.array(["mine"] * len(letters)), "letter": letters, "split": empty, "phash": hashes}
    split, warnings = assign_splits(table, {})
    for letter in "ABC":
        assert 3 <= (split[letters == letter] == "validation").sum() <= 0.15 * 60
    assert len(find_across(hashes, split)[0]) == 0
    assert "every accuracy will be too high" in warnings[0]
    again, _ = assign_splits(table, {})
    np.testing.assert_array_equal(split, again)


def test_one_scene_gives_an_empty_validation_and_a_warning() -> None:
    table = arrays(*[("mine", "A", "")] * 5)
    table["phash"] = np.zeros(5, np.uint64)
    split, warnings = assign_splits(table, {})
    assert set(split.tolist()) == {"train"}
    assert any("the split validation is empty" in text for text in warnings)


def test_folders_named_train_and_test_give_a_warning() -> None:
    _, warnings = assign_splits(arrays(("train", "A", ""), ("Test", "A", "")), {})
    assert warnings[0].startswith("Test, train: named like a split, not like signers")
