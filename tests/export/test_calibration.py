"""Choose the pictures on which the int8 network is calibrated and tried."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.tiny_export import PER_LETTER, SIZE_PX, SOME, prepared_pictures

from edge.errors import DataError
from edge.preprocess import to_tensor
from export.calibration import choose_calibration_rows, choose_trial_rows, load_both_views, spread
from train.data.prepared import Prepared

TRAINED_ON_ANNA = {"sources": ["anna"]}
TRAINED_ON_BOTH = {"sources": ["anna", "ben"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare anna's pictures for training and ben's for validation."""
    return prepared_pictures(tmp_path_factory.mktemp("calibration"))


def sources(prepared: Prepared, rows: np.ndarray) -> set[str]:
    return set(prepared.source[rows].tolist())


def assign(prepared: Prepared, source: str, split: str) -> Prepared:
    return replace(prepared, split=np.where(prepared.source == source, split, prepared.split))


def test_calibration_uses_the_train_split_only(prepared: Prepared) -> None:
    assert sources(prepared, choose_calibration_rows(prepared, TRAINED_ON_BOTH)) == {"anna"}


def test_calibration_uses_no_source_that_training_left_out(prepared: Prepared) -> None:
    both_in_train = assign(prepared, "ben", "train")
    assert sources(prepared, choose_calibration_rows(both_in_train, TRAINED_ON_ANNA)) == {"anna"}
    assert sources(prepared, choose_calibration_rows(both_in_train, TRAINED_ON_BOTH)) == {"anna", "ben"}


def test_calibration_without_training_pictures_is_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="no picture of the train split"):
        choose_calibration_rows(assign(prepared, "anna", "test"), TRAINED_ON_ANNA)


def test_trial_uses_unseen_signers_if_there_are_any(prepared: Prepared) -> None:
    calibrated_on = choose_calibration_rows(prepared, TRAINED_ON_ANNA)
    assert sources(prepared, choose_trial_rows(prepared, TRAINED_ON_ANNA, calibrated_on)) == {"ben"}


def test_trial_never_uses_the_test_split(prepared: Prepared) -> None:
    ben_in_test = assign(prepared, "ben", "test")
    calibrated_on = choose_calibration_rows(ben_in_test, TRAINED_ON_ANNA)
    rows = choose_trial_rows(ben_in_test, TRAINED_ON_ANNA, calibrated_on)
    assert sources(prepared, rows) == {"anna"}
    assert not set(rows.tolist()) & set(calibrated_on.tolist())


def test_small_choice_is_spread_evenly_over_letters_and_sources(prepared: Prepared) -> None:
    rows = spread(prepared, np.arange(len(prepared)), 2 * len(SOME))
    pairs = zip(prepared.letter[rows].tolist(), prepared.source[rows].tolist(), strict=True)
    assert Counter(pairs) == {(letter, source): 1 for letter in SOME for source in ("anna", "ben")}


def test_large_choice_holds_every_picture_once(prepared: Prepared) -> None:
    assert spread(prepared, np.arange(len(prepared)), 10_000).tolist() == list(
        range(2 * PER_LETTER * len(SOME))
    )


def test_calibration_uses_the_views_that_a_device_computes(prepared: Prepared) -> None:
    full, hand = load_both_views(prepared, np.array([3]), SIZE_PX)
    np.testing.assert_array_equal(full, to_tensor(prepared.picture(3)))
    np.testing.assert_array_equal(hand, full)  # no hand is marked in these pictures
