import numpy as np
import pytest

from edge.errors import DataError
from edge.records import LETTERS
from export.verify import refuse_losses
from train.evaluate.calibration import calibration_error
from train.evaluate.evaluate import UNSEEN
from train.evaluate.metrics import (
    NOTHING_SAID,
    Answers,
    Scores,
    changed_share,
    confusion_matrix,
    recall_of,
    score,
    spoilt_share,
)


def answers(*pictures: tuple[str, str, float, str, float]) -> Answers:
    """(truth, said, confidence, source, iou) a picture."""
    truth, said, confidence, source, iou = zip(*pictures, strict=True)
    return Answers(
        np.array(truth),
        np.array(said),
        np.array(confidence, float),
        np.full((len(truth), 26), 1 / 26),
        np.array(source),
        np.array(iou, float),
    )


def some() -> Scores:
    return score(
        answers(
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


def test_picture_without_an_answer_counts_as_wrong() -> None:
    assert some().pictures == 5
    assert some().accuracy == pytest.approx(3 / 5)


def test_recall_is_of_each_letter_and_absent_letters_have_none() -> None:
    recall = some().recall
    assert (recall["M"], recall["N"], recall["A"], recall["B"]) == (0.5, 0.0, 1.0, None)
    assert some().mean_recall == pytest.approx(0.5)


def test_shares_are_told_for_each_source() -> None:
    assert some().per_source == {
        "anna": {
            "pictures": 3,
            "accuracy": pytest.approx(1 / 3),
            "answered": pytest.approx(2 / 3),
            "box_found": pytest.approx(2 / 3),
        },
        "ben": {"pictures": 2, "accuracy": 1.0, "answered": 1.0, "box_found": 0.0},
    }


def test_pictures_without_a_letter_count_only_where_one_was_given() -> None:
    assert some().given_a_letter == {
        "del": {"pictures": 1, "share": 1.0},
        "nothing": {"pictures": 2, "share": 0.5},
    }


def test_found_share_counts_known_boxes_alone() -> None:
    assert some().box_found == pytest.approx(2 / 4)


def test_answered_share_counts_wrong_letters_too() -> None:
    assert some().answered == pytest.approx(4 / 5)


def test_look_alikes_are_counted_inside_their_group() -> None:
    assert some().look_alikes["M/N/S/T"] == {"pictures": 3, "mistaken": 1, "which": {"M as N": 1}}
    assert some().look_alikes["A/E"] == {"pictures": 2, "mistaken": 0, "which": {}}


def test_confusion_matrix_has_a_row_a_letter_and_a_column_for_nothing_said() -> None:
    matrix = confusion_matrix(np.array(["A", "A", "Z"]), np.array(["B", "", "Z"]))
    assert matrix.shape == (26, 27)
    assert matrix.sum() == 3
    assert matrix[0, 1] == matrix[0, NOTHING_SAID] == matrix[25, 25] == 1


def test_recall_of_a_perfect_model_is_one() -> None:
    letters = np.array(LETTERS)
    assert set(recall_of(confusion_matrix(letters, letters)).values()) == {1.0}


def test_calibrated_confidence_has_no_calibration_error() -> None:
    right = np.array([True] * 3 + [False])
    assert calibration_error(np.full(4, 0.75), right) == pytest.approx(0)


def test_calibration_error_weighs_each_bin_by_its_pictures() -> None:
    confidence = np.array([0.99, 0.99, 0.99, 0.51])
    right = np.array([True, True, False, True])
    wanted = (3 * abs(2 / 3 - 0.99) + 1 * abs(1 - 0.51)) / 4
    assert calibration_error(confidence, right) == pytest.approx(wanted)


def test_confidence_on_the_edge_of_a_bin_is_in_the_lower_one() -> None:
    # Two bins, (0, 0.5] and (0.5, 1]: apart the gaps are 0.5 and 0.4, together they would cancel to 0.1.
    confidence, right = np.array([0.5, 0.6]), np.array([True, False])
    assert calibration_error(confidence, right, bins=2) == pytest.approx((0.5 + 0.6) / 2)


def test_confidence_of_zero_and_one_have_a_bin() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0


def test_calibration_is_judged_on_given_letters_alone() -> None:
    scores = score(answers(("A", "A", 1.0, "x", 1.0), ("B", "", 0.9, "x", 0.0)))
    assert scores.calibration_error == 0


def test_no_pictures_of_letters_give_no_figures() -> None:
    scores = score(answers(("nothing", "", 0.1, "x", np.nan)))
    assert (scores.pictures, scores.accuracy, scores.calibration_error, scores.box_found) == (
        0,
        None,
        None,
        None,
    )


def test_changed_share_counts_pictures_that_are_read_differently() -> None:
    one = answers(("A", "A", 1, "x", 1), ("B", "", 1, "x", 1), ("C", "C", 1, "x", 1), ("D", "E", 1, "x", 1))
    other = answers(
        ("A", "A", 1, "x", 1), ("B", "B", 1, "x", 1), ("C", "O", 1, "x", 1), ("D", "E", 1, "x", 1)
    )
    assert changed_share(one, other) == 0.5
    assert changed_share(one, one) == 0


def test_spoilt_share_counts_what_was_right_alone() -> None:
    one = answers(("A", "A", 1, "x", 1), ("B", "", 1, "x", 1), ("C", "C", 1, "x", 1), ("D", "E", 1, "x", 1))
    other = answers(("A", "A", 1, "x", 1), ("B", "B", 1, "x", 1), ("C", "", 1, "x", 1), ("D", "O", 1, "x", 1))
    assert spoilt_share(one, other) == 0.5
    assert spoilt_share(other, one) == 0.5
    assert spoilt_share(one, one) == 0
    nothing_right = answers(("A", "", 1, "x", 1))
    assert spoilt_share(nothing_right, nothing_right) == 0


def test_variant_may_change_what_was_wrong_but_not_what_was_right() -> None:
    def read(*said: str) -> Scores:
        return score(answers(*[("A", letter, 1, "x", 1) for letter in said]))

    before = read(*["A"] * 60, *["S"] * 40)
    read_anew = read(*["A"] * 60, *["E"] * 39, "A")
    refuse_losses({"float": {UNSEEN: before}, "int8": {UNSEEN: read_anew}}, accept_drop=False)
    as_many_right = read(*["A"] * 58, "S", "S", "A", "A", *["S"] * 38)
    figures = {"float": {UNSEEN: before}, "int8": {UNSEEN: as_many_right}}
    with pytest.raises(DataError, match=r"60\.0% right .* wrong 3\.3% of what that reads right"):
        refuse_losses(figures, accept_drop=False)
    refuse_losses(figures, accept_drop=True)
