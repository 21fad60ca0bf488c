import numpy as np
import pytest

from edge.errors import DataError
from edge.records import LETTERS
from export.verify import refuse_losses
from train.evaluate.calibration import calibration_error
from train.evaluate.evaluate import UNSEEN
from train.evaluate.metrics import (
    NONE_COLUMN,
    Metrics,
    Predictions,
    changed_fraction,
    compute_metrics,
    compute_recall,
    count_confusion,
    spoilt_fraction,
)


def predictions(*pictures: tuple[str, str, float, str, float]) -> Predictions:
    """Build Predictions of (truth, predicted, confidence, source, iou) per picture."""
    truth, predicted, confidence, source, iou = zip(*pictures, strict=True)
    return Predictions(
        np.array(truth),
        np.array(predicted),
        np.array(confidence, float),
        np.full((len(truth), 26), 1 / 26),
        np.array(source),
        np.array(iou, float),
    )


def measure() -> Metrics:
    return compute_metrics(
        predictions(
            ("M", "M", 0.9, "anna", 0.8),
            ("M", "N", 0.6, "anna", 0.5),
            ("N", "", 0.2, "anna", 0.0),
            ("A", "A", 0.8, "ben", np.nan),
            ("A", "A", 0.7, "ben", 0.3),
            ("nothing", "", 0.1, "ben", np.nan),
            ("nothing", "C", 0.9, "ben", np.nan),
            ("del", "C", 0.9, "ben", np.nan),
        )
    )


def test_picture_without_a_letter_counts_as_wrong() -> None:
    assert measure().pictures == 5
    assert measure().accuracy == pytest.approx(3 / 5)


def test_recall_is_per_letter_and_none_for_absent_letters() -> None:
    recall = measure().recall
    assert (recall["M"], recall["N"], recall["A"], recall["B"]) == (0.5, 0.0, 1.0, None)
    assert measure().mean_recall == pytest.approx(0.5)


def test_fractions_are_given_for_each_source() -> None:
    assert measure().per_source == {
        "anna": {
            "pictures": 3,
            "accuracy": pytest.approx(1 / 3),
            "accuracy_still": pytest.approx(1 / 3),
            "accuracy_moving": None,
            "answered": pytest.approx(2 / 3),
            "box_found": pytest.approx(2 / 3),
        },
        "ben": {
            "pictures": 2,
            "accuracy": 1.0,
            "accuracy_still": 1.0,
            "accuracy_moving": None,
            "answered": 1.0,
            "box_found": 0.0,
        },
    }


def test_letters_that_move_are_counted_apart() -> None:
    metrics = compute_metrics(
        predictions(
            ("A", "A", 0.9, "anna", 0.8),
            ("B", "C", 0.9, "anna", 0.8),
            ("J", "I", 0.9, "anna", 0.8),
            ("Z", "Z", 0.9, "anna", 0.8),
            ("Z", "D", 0.9, "anna", 0.8),
        )
    )
    assert metrics.accuracy == pytest.approx(2 / 5)
    assert (metrics.accuracy_still, metrics.accuracy_moving) == (1 / 2, pytest.approx(1 / 3))


def test_pictures_without_a_letter_are_counted_separately() -> None:
    assert measure().given_a_letter == {
        "del": {"pictures": 1, "share": 1.0},
        "nothing": {"pictures": 2, "share": 0.5},
    }


def test_found_fraction_counts_known_boxes_only() -> None:
    assert measure().box_found == pytest.approx(2 / 4)


def test_answered_fraction_counts_wrong_letters_too() -> None:
    assert measure().answered == pytest.approx(4 / 5)


def test_look_alikes_are_counted_inside_their_group() -> None:
    assert measure().look_alikes["M/N/S/T"] == {"pictures": 3, "mistaken": 1, "which": {"M as N": 1}}
    assert measure().look_alikes["A/E"] == {"pictures": 2, "mistaken": 0, "which": {}}


def test_confusion_matrix_has_a_row_per_letter_and_a_column_for_none() -> None:
    matrix = count_confusion(np.array(["A", "A", "Z"]), np.array(["B", "", "Z"]))
    assert matrix.shape == (26, 27)
    assert matrix.sum() == 3
    assert matrix[0, 1] == matrix[0, NONE_COLUMN] == matrix[25, 25] == 1


def test_recall_of_a_perfect_model_is_one() -> None:
    letters = np.array(LETTERS)
    assert set(compute_recall(count_confusion(letters, letters)).values()) == {1.0}


def test_calibrated_confidence_has_no_calibration_error() -> None:
    right = np.array([True] * 3 + [False])
    assert calibration_error(np.full(4, 0.75), right) == pytest.approx(0)


def test_calibration_error_weighs_each_bin_by_its_pictures() -> None:
    confidence = np.array([0.99, 0.99, 0.99, 0.51])
    right = np.array([True, True, False, True])
    expected = (3 * abs(2 / 3 - 0.99) + 1 * abs(1 - 0.51)) / 4
    assert calibration_error(confidence, right) == pytest.approx(expected)


def test_confidence_on_the_edge_of_a_bin_is_in_the_lower_one() -> None:
    # Two bins, (0, 0.5] and (0.5, 1], have gaps of 0.5 and 0.6; in one bin they would cancel to 0.1.
    confidence, right = np.array([0.5, 0.6]), np.array([True, False])
    assert calibration_error(confidence, right, bins=2) == pytest.approx((0.5 + 0.6) / 2)


def test_confidences_of_zero_and_one_have_a_bin() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0


def test_calibration_error_counts_only_pictures_with_a_predicted_letter() -> None:
    metrics = compute_metrics(predictions(("A", "A", 1.0, "x", 1.0), ("B", "", 0.9, "x", 0.0)))
    assert metrics.calibration_error == 0


def test_metrics_are_none_without_pictures_of_letters() -> None:
    metrics = compute_metrics(predictions(("nothing", "", 0.1, "x", np.nan)))
    assert (metrics.pictures, metrics.accuracy, metrics.calibration_error, metrics.box_found) == (
        0,
        None,
        None,
        None,
    )


def test_changed_fraction_counts_pictures_with_another_prediction() -> None:
    one = predictions(
        ("A", "A", 1, "x", 1), ("B", "", 1, "x", 1), ("C", "C", 1, "x", 1), ("D", "E", 1, "x", 1)
    )
    other = predictions(
        ("A", "A", 1, "x", 1), ("B", "B", 1, "x", 1), ("C", "O", 1, "x", 1), ("D", "E", 1, "x", 1)
    )
    assert changed_fraction(one, other) == 0.5
    assert changed_fraction(one, one) == 0


def test_spoilt_fraction_counts_right_letters_only() -> None:
    one = predictions(
        ("A", "A", 1, "x", 1), ("B", "", 1, "x", 1), ("C", "C", 1, "x", 1), ("D", "E", 1, "x", 1)
    )
    other = predictions(
        ("A", "A", 1, "x", 1), ("B", "B", 1, "x", 1), ("C", "", 1, "x", 1), ("D", "O", 1, "x", 1)
    )
    assert spoilt_fraction(one, other) == 0.5
    assert spoilt_fraction(other, one) == 0.5
    assert spoilt_fraction(one, one) == 0
    nothing_right = predictions(("A", "", 1, "x", 1))
    assert spoilt_fraction(nothing_right, nothing_right) == 0


def test_variant_may_change_wrong_letters_but_not_right_ones() -> None:
    def read(*letters: str) -> Metrics:
        return compute_metrics(predictions(*[("A", letter, 1, "x", 1) for letter in letters]))

    before = read(*["A"] * 60, *["S"] * 40)
    other_errors = read(*["A"] * 60, *["E"] * 39, "A")
    refuse_losses({"float": {UNSEEN: before}, "int8": {UNSEEN: other_errors}}, accept_drop=False)
    same_accuracy = read(*["A"] * 58, "S", "S", "A", "A", *["S"] * 38)
    figures = {"float": {UNSEEN: before}, "int8": {UNSEEN: same_accuracy}}
    with pytest.raises(DataError, match=r"float32 60\.0%, and it loses 3\.3%"):
        refuse_losses(figures, accept_drop=False)
    refuse_losses(figures, accept_drop=True)
