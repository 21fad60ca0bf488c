"""Which pictures the int8 network is calibrated and judged on."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.tiny_export import PER_LETTER, SIZE_PX, SOME, prepared_pictures

from edge.errors import DataError
from edge.preprocess import to_tensor
from export.calibration import both_looks, calibration_rows, spread, trial_rows
from train.data.prepared import Prepared

TRAINED_ON_ANNA = {"sources": ["anna"]}
TRAINED_ON_BOTH = {"sources": ["anna", "ben"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """anna has the training role, ben validates."""
    return prepared_pictures(tmp_path_factory.mktemp("calibration"))


def sources(prepared: Prepared, rows: np.ndarray) -> set[str]:
    return set(prepared.source[rows].tolist())


def with_role(prepared: Prepared, source: str, role: str) -> Prepared:
    return replace(prepared, role=np.where(prepared.source == source, role, prepared.role))


def test_calibration_takes_the_training_role_alone(prepared: Prepared) -> None:
    assert sources(prepared, calibration_rows(prepared, TRAINED_ON_BOTH)) == {"anna"}


def test_calibration_takes_no_source_that_was_left_out(prepared: Prepared) -> None:
    both_train = with_role(prepared, "ben", "train")
    assert sources(prepared, calibration_rows(both_train, TRAINED_ON_ANNA)) == {"anna"}
    assert sources(prepared, calibration_rows(both_train, TRAINED_ON_BOTH)) == {"anna", "ben"}


def test_calibration_without_a_picture_of_the_training_role_is_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="no picture of the training role"):
        calibration_rows(with_role(prepared, "anna", "test"), TRAINED_ON_ANNA)


def test_int8_is_judged_on_unseen_signers_where_there_are_any(prepared: Prepared) -> None:
    calibrated_on = calibration_rows(prepared, TRAINED_ON_ANNA)
    assert sources(prepared, trial_rows(prepared, TRAINED_ON_ANNA, calibrated_on)) == {"ben"}


def test_int8_is_never_judged_on_the_test_role(prepared: Prepared) -> None:
    ben_tests = with_role(prepared, "ben", "test")
    calibrated_on = calibration_rows(ben_tests, TRAINED_ON_ANNA)
    rows = trial_rows(ben_tests, TRAINED_ON_ANNA, calibrated_on)
    assert sources(prepared, rows) == {"anna"}
    assert not set(rows.tolist()) & set(calibrated_on.tolist())


def test_small_choice_is_spread_over_letters_and_sources(prepared: Prepared) -> None:
    rows = spread(prepared, np.arange(len(prepared)), 2 * len(SOME))
    pairs = zip(prepared.letter[rows].tolist(), prepared.source[rows].tolist(), strict=True)
    assert Counter(pairs) == {(letter, source): 1 for letter in SOME for source in ("anna", "ben")}


def test_large_choice_is_everything_once(prepared: Prepared) -> None:
    assert spread(prepared, np.arange(len(prepared)), 10_000).tolist() == list(
        range(2 * PER_LETTER * len(SOME))
    )


def test_a_picture_is_calibrated_on_as_the_device_reads_it(prepared: Prepared) -> None:
    whole, hand = both_looks(prepared, np.array([3]), SIZE_PX)
    np.testing.assert_array_equal(whole, to_tensor(prepared.picture(3)))
    np.testing.assert_array_equal(hand, whole)  # no hand is marked in these pictures
