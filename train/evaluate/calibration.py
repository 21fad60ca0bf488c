"""Confidence that means something: the temperature that makes it agree with how often it is right.

Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. A source that was never trained on
keeps a curve, its log loss and its calibration error at each of TEMPERATURES; whoever packages the network
chooses one temperature from the curves of several sources, without reading their pictures again.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Curve = list[list[float]]  # [log loss, expected calibration error] at each of TEMPERATURES

TEMPERATURES = tuple(float(t) for t in np.round(np.geomspace(0.4, 4.0, 24), 3))
BINS = 15


def shares_at(shares: Floats, temperature: float) -> Floats:
    """(N, 26) shares at temperature 1 -> those at another one."""
    powers = np.log(np.clip(shares, 1e-12, 1)) / temperature
    powers = np.exp(powers - powers.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def curve(shares: Floats, letter: npt.NDArray[np.int64]) -> Curve:
    """(N, 26) shares and (N,) right letters 0..25 -> Curve; N at least 1."""
    points = []
    for temperature in TEMPERATURES:
        now = shares_at(shares, temperature)
        of_the_right = np.clip(now[np.arange(len(letter)), letter], 1e-12, 1)
        error = calibration_error(now.max(axis=1), now.argmax(axis=1) == letter)
        points.append([round(float(-np.log(of_the_right).mean()), 4), round(error or 0.0, 4)])
    return points


def best_temperature(curves: Sequence[Curve]) -> float:
    """The one with the least log loss, each source weighing the same; 1 without any."""
    if not curves:
        return 1.0
    losses = np.mean([[loss for loss, _ in one] for one in curves], axis=0)
    return TEMPERATURES[int(np.argmin(losses))]


def error_at(one: Curve, temperature: float) -> float:
    """Calibration error of a source at one of TEMPERATURES (the nearest)."""
    nearest = int(np.argmin(np.abs(np.array(TEMPERATURES) - temperature)))
    return one[nearest][1]


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> float | None:
    """Expected calibration error: mean |accuracy - confidence| over equal-width bins, weighted by pictures.

    Guo et al. 2017, section 2: bin m is ((m - 1) / M, m / M].
    """
    if len(confidence) == 0:
        return None
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = [abs(float(right[bin_of == m].sum()) - float(confidence[bin_of == m].sum())) for m in range(bins)]
    return sum(gaps) / len(confidence)
