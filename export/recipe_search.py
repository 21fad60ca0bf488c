"""Try quantisation recipes on real pictures and choose the first that loses no accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantType

from edge.records import Array
from export.quantize import Recipe, fold, quantise
from export.to_onnx import feed

# With 7-bit weights no 16-bit sum can saturate, so x86 and ARM agree bit for bit and tests on a workstation
# hold for the boards. This recipe is chosen unless it loses accuracy.
DEFAULT = Recipe(QuantType.QUInt8, reduce_range=True, calibration=CalibrationMethod.MinMax)
# Not Entropy: it clips values that are rare in the calibration pictures and may be common for a new person.
# See docs/experiments.md, "Quantisation".
CALIBRATIONS = (CalibrationMethod.MinMax, CalibrationMethod.Percentile)
OTHER_TYPES = ((QuantType.QUInt8, False), (QuantType.QInt8, False))
MAX_COST_POINTS = 0.3  # percentage points of accuracy
MIN_AGREEMENT = 0.98  # of the letters with float32's


@dataclass(frozen=True)
class Trial:
    """How a recipe's outputs differ from float32 on the trial pictures; the field names are JSON keys."""

    recipe: Recipe
    agreement: float  # fraction of pictures whose best letter stays
    cost_points: float  # accuracy lost, percentage points; negative for a gain
    logits_rms: float  # root mean square difference of the letter logits
    points_mean: float  # mean difference of the landmarks, fraction of the crop's side
    bytes: int

    @property
    def is_free(self) -> bool:
        """Whether the recipe loses no accuracy worth mentioning."""
        return self.cost_points <= MAX_COST_POINTS and self.agreement >= MIN_AGREEMENT

    def report(self, chosen: Recipe) -> dict[str, Any]:
        """Return the entry of the metadata."""
        values = {name: value for name, value in vars(self).items() if name != "recipe"}
        rounded = {name: round(value, 4) for name, value in values.items()}
        return {"recipe": self.recipe.name, "chosen": self.recipe == chosen, **rounded}


@dataclass(frozen=True)
class TrialPictures:
    """Tensors (1, 3, S, S) with their letters (N,) 0..25."""

    tensors: Sequence[Array]
    letters: np.ndarray


def quantise_best(
    float_path: Path, output: Path, calibration: Sequence[Array], pictures: TrialPictures, quick: bool = False
) -> tuple[Recipe, list[dict[str, Any]]]:
    """Write `output` by the best recipe; return that recipe and a table of all that were tried.

    `quick` tries the default only.
    """
    expected = _run(float_path, pictures.tensors)
    folded = output.with_suffix(".folded")
    fold(float_path, folded)
    trials: list[Trial] = []

    def attempt(recipe: Recipe) -> Trial:
        path = output.with_suffix(f".{len(trials)}")
        quantise(folded, path, recipe, calibration)
        trials.append(_compare(recipe, path, expected, pictures))
        return trials[-1]

    methods = [DEFAULT.calibration] if quick else CALIBRATIONS
    base = _best([attempt(replace(DEFAULT, calibration=method)) for method in methods])
    for activations, reduce_range in () if quick else OTHER_TYPES:
        attempt(replace(base.recipe, activations=activations, reduce_range=reduce_range))
    if not quick and not any(trial.is_free for trial in trials if trial.recipe.reduce_range):
        attempt(replace(base.recipe, first_float=True))
    chosen = choose(trials)
    for number, trial in enumerate(trials):
        path = output.with_suffix(f".{number}")
        path.rename(output) if trial.recipe == chosen else path.unlink()
    folded.unlink()
    return chosen, [trial.report(chosen) for trial in trials]


def choose(trials: Sequence[Trial]) -> Recipe:
    """Return the best free recipe with 7-bit weights, preferably with no layer left in float.

    If none is free, return the best one with 7 bits unless another loses clearly less accuracy.
    """
    seven_bits = [trial for trial in trials if trial.recipe.reduce_range]
    for candidates in ([t for t in seven_bits if not t.recipe.first_float], seven_bits):
        if _best(candidates).is_free:
            return _best(candidates).recipe
    best = _best(seven_bits)
    better = [trial for trial in trials if best.cost_points - trial.cost_points > MAX_COST_POINTS]
    return _best(better or [best]).recipe


def _best(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: (trial.agreement, -trial.logits_rms))


def _compare(recipe: Recipe, path: Path, expected: tuple[Array, Array], pictures: TrialPictures) -> Trial:
    letters, landmarks = _run(path, pictures.tensors)
    best, float_best = letters.argmax(1), expected[0].argmax(1)
    lost = (float_best == pictures.letters).mean() - (best == pictures.letters).mean()
    return Trial(
        recipe=recipe,
        agreement=float((best == float_best).mean()),
        cost_points=100 * float(lost),
        logits_rms=float(np.sqrt(np.square(letters - expected[0]).mean())),
        points_mean=float(np.abs(landmarks - expected[1]).mean()),
        bytes=path.stat().st_size,
    )


def _run(path: Path, tensors: Sequence[Array]) -> tuple[Array, Array]:
    """Return letters (N, 26) and landmarks (N, 21, 2) of a model that reads one square at a time."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = [session.run(["letters", "points"], feed(tensor)) for tensor in tensors]
    letters, landmarks = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    return letters, landmarks
