"""One temperature makes confidence agree with how often it is right."""

import numpy as np
import pytest

from train.evaluate.calibration import (
    TEMPERATURES,
    best_temperature,
    calibration_error,
    curve,
    error_at,
    shares_at,
)


def pictures(rng: np.random.Generator, count: int, boast: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 26) shares and (N,) letters drawn by them; what the reader then says is `boast` times as sharp."""
    logits = rng.normal(0, 2, (count, 26))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    letters = np.array([rng.choice(26, p=one) for one in true])
    return shares_at(true, 1 / boast), letters


@pytest.mark.parametrize("boast", [0.5, 1.0, 2.0])
def test_temperature_undoes_what_the_reader_boasts(boast: float) -> None:
    shares, letters = pictures(np.random.default_rng(0), 4000, boast)
    one = curve(shares, letters)
    assert best_temperature([one]) == pytest.approx(boast, rel=0.12)
    assert error_at(one, boast) < 0.03
    if boast > 1:
        assert error_at(one, 1.0) > 0.1


def test_every_source_weighs_the_same() -> None:
    humble = curve(*pictures(np.random.default_rng(1), 4000, 0.5))
    boastful = curve(*pictures(np.random.default_rng(2), 500, 2.0))
    both = best_temperature([humble, boastful])
    assert best_temperature([humble]) < both < best_temperature([boastful])
    assert best_temperature([humble, boastful, boastful]) > both


def test_without_a_source_the_temperature_stays_one() -> None:
    assert best_temperature([]) == 1.0


def test_shares_sum_to_one_and_keep_their_order() -> None:
    shares = np.array([[0.7, 0.2, 0.1, 0.0] + [0.0] * 22])
    for temperature in TEMPERATURES:
        now = shares_at(shares, temperature)
        assert now.sum() == pytest.approx(1)
        assert (np.diff(now[0]) <= 0).all()


def test_error_of_sure_and_right_answers_is_nothing() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
