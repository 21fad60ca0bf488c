"""Calibrate confidence: choose the temperature at which it agrees with how often the model is right.

Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. Each source that was left out of
training keeps a curve: its log loss and its calibration error at each of TEMPERATURES. Export chooses one
temperature from the curves of several sources without reading their pictures again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Curve = list[list[float]]  # [log loss, expected calibration error] at each of TEMPERATURES

TEMPERATURES = tuple(float(t) for t in np.round(np.geomspace(0.4, 4.0, 24), 3))
BINS = 15


def change_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return (N, 26) probabilities at `temperature`, given those at temperature 1."""
    powers = np.log(np.clip(probabilities, 1e-12, 1)) / temperature
    powers = np.exp(powers - powers.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def compute_curve(probabilities: Floats, letter: npt.NDArray[np.int64]) -> Curve:
    """Return the curve of (N, 26) probabilities with (N,) right letters 0..25; N is at least 1."""
    curve = []
    for temperature in TEMPERATURES:
        changed = change_temperature(probabilities, temperature)
        right = np.clip(changed[np.arange(len(letter)), letter], 1e-12, 1)
        error = calibration_error(changed.max(axis=1), changed.argmax(axis=1) == letter)
        curve.append([round(float(-np.log(right).mean()), 4), round(error or 0.0, 4)])
    return curve


def choose_temperature(curves: Sequence[Curve]) -> float:
    """Return the temperature with the least log loss, each source weighing the same; 1 without any."""
    if not curves:
        return 1.0
    losses = np.mean([[loss for loss, _ in curve] for curve in curves], axis=0)
    return TEMPERATURES[int(np.argmin(losses))]


def find_error(curve: Curve, temperature: float) -> float:
    """Return the calibration error at the nearest of TEMPERATURES."""
    nearest = int(np.argmin(np.abs(np.array(TEMPERATURES) - temperature)))
    return curve[nearest][1]


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> float | None:
    """Return the expected calibration error, or None without pictures.

    It is the mean |accuracy - confidence| over equal-width bins, weighted by pictures (Guo et al. 2017,
    section 2); bin m is ((m - 1) / M, m / M].
    """
    if len(confidence) == 0:
        return None
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = [abs(float(right[bin_of == m].sum()) - float(confidence[bin_of == m].sum())) for m in range(bins)]
    return sum(gaps) / len(confidence)
