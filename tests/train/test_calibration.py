"""One temperature makes confidence agree with how often the model is right."""

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


def pictures(rng: np.random.Generator, count: int, boast: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 26) probabilities, `boast` times as sharp as those that drew the (N,) letters."""
    logits = rng.normal(0, 2, (count, 26))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    letters = np.array([rng.choice(26, p=one) for one in true])
    return change_temperature(true, 1 / boast), letters


@pytest.mark.parametrize("boast", [0.5, 1.0, 2.0])
def test_temperature_undoes_overconfidence(boast: float) -> None:
    probabilities, letters = pictures(np.random.default_rng(0), 4000, boast)
    one = compute_curve(probabilities, letters)
    assert choose_temperature([one]) == pytest.approx(boast, rel=0.12)
    assert find_error(one, boast) < 0.03
    if boast > 1:
        assert find_error(one, 1.0) > 0.1


def test_every_source_weighs_the_same() -> None:
    humble = compute_curve(*pictures(np.random.default_rng(1), 4000, 0.5))
    boastful = compute_curve(*pictures(np.random.default_rng(2), 500, 2.0))
    both = choose_temperature([humble, boastful])
    assert choose_temperature([humble]) < both < choose_temperature([boastful])
    assert choose_temperature([humble, boastful, boastful]) > both


def test_without_a_source_the_temperature_stays_one() -> None:
    assert choose_temperature([]) == 1.0


def test_probabilities_sum_to_one_and_keep_their_order() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0] + [0.0] * 22])
    for temperature in TEMPERATURES:
        now = change_temperature(probabilities, temperature)
        assert now.sum() == pytest.approx(1)
        assert (np.diff(now[0]) <= 0).all()


def test_error_of_certain_and_right_letters_is_zero() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
