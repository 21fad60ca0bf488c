"""Folds: confidence of a left-out group is measured at the temperature that the other groups choose."""

from typing import Any

import numpy as np

from export.leave_one_out import choose_fold_temperature, compute_calibration_errors
from train.evaluate.calibration import TEMPERATURES, Curve, find_error


def curve_with_its_best_at(temperature: float) -> Curve:
    """Log loss and error grow with the distance from `temperature`."""
    return [[abs(float(np.log(t / temperature))), abs(t - temperature)] for t in TEMPERATURES]


def make_fold(**best: float) -> dict[str, Any]:
    """Make a fold of the named sources, each with its best temperature."""
    curves = {name: curve_with_its_best_at(temperature) for name, temperature in best.items()}
    return {"sources": list(best), "variants": {"int8": {"confidence_curves": curves}}}


LOW, HIGH = TEMPERATURES[4], TEMPERATURES[18]
FOLDS = [make_fold(anna=LOW, ben=LOW), make_fold(carl=HIGH, dora=HIGH)]
EVERYBODY = {"anna", "ben", "carl", "dora"}


def test_sources_of_the_same_fold_do_not_choose_their_own_temperature() -> None:
    errors = compute_calibration_errors(FOLDS, EVERYBODY)
    for fold, other in (FOLDS, FOLDS[::-1]):
        chosen = choose_fold_temperature([other], EVERYBODY)
        curves = fold["variants"]["int8"]["confidence_curves"]
        assert {name: errors[name] for name in curves} == {
            name: find_error(curve, chosen) for name, curve in curves.items()
        }
    assert min(errors.values()) > 1


def test_only_the_named_sources_choose_a_temperature() -> None:
    assert choose_fold_temperature(FOLDS, {"carl"}) == HIGH
    errors = compute_calibration_errors(FOLDS, {"anna", "carl"})
    assert errors["carl"] == find_error(curve_with_its_best_at(HIGH), LOW)


def test_single_fold_is_measured_at_the_temperature_of_its_other_sources() -> None:
    errors = compute_calibration_errors([make_fold(anna=LOW, ben=HIGH)], {"anna", "ben"})
    assert errors["anna"] == find_error(curve_with_its_best_at(LOW), HIGH)
