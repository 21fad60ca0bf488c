"""One temperature makes the confidence match the accuracy of the model."""

import numpy as np
import pytest

from train.evaluate.calibration import (
    TEMPERATURES,
    calibration_error,
    change_temperature,
    choose_temperature,
    compute_curve,
    find_error,
)


def draw_pictures(
    rng: np.random.Generator, count: int, overconfidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) letters, and their (N, 26) probabilities sharpened by `overconfidence`."""
    logits = rng.normal(0, 2, (count, 26))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    letters = np.array([rng.choice(26, p=row) for row in true])
    return change_temperature(true, 1 / overconfidence), letters


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 2.0])
def test_temperature_undoes_overconfidence(overconfidence: float) -> None:
    probabilities, letters = draw_pictures(np.random.default_rng(0), 4000, overconfidence)
    curve = compute_curve(probabilities, letters)
    assert choose_temperature([curve]) == pytest.approx(overconfidence, rel=0.12)
    assert find_error(curve, overconfidence) < 0.03
    if overconfidence > 1:
        assert find_error(curve, 1.0) > 0.1


def test_every_source_has_the_same_weight() -> None:
    underconfident = compute_curve(*draw_pictures(np.random.default_rng(1), 4000, 0.5))
    overconfident = compute_curve(*draw_pictures(np.random.default_rng(2), 500, 2.0))
    both = choose_temperature([underconfident, overconfident])
    assert choose_temperature([underconfident]) < both < choose_temperature([overconfident])
    assert choose_temperature([underconfident, overconfident, overconfident]) > both


def test_temperature_without_a_source_is_one() -> None:
    assert choose_temperature([]) == 1.0


def test_probabilities_sum_to_one_and_keep_their_order() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0] + [0.0] * 22])
    for temperature in TEMPERATURES:
        changed = change_temperature(probabilities, temperature)
        assert changed.sum() == pytest.approx(1)
        assert (np.diff(changed[0]) <= 0).all()


def test_error_of_certain_and_right_letters_is_zero() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
