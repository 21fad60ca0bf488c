"""Try ways to quantise on real pictures, and take the first that costs nothing."""

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

# x86 and ARM agree bit for bit with it (no 16-bit sum can saturate), so that tests on a workstation speak
# for the boards: it is taken unless it costs accuracy.
USUAL = Recipe(QuantType.QUInt8, reduce_range=True, calibration=CalibrationMethod.MinMax)
# Not Entropy: it cuts off what is rare in the calibration pictures and common in a new person's; on unseen
# signers of the first real checkpoint it changed 17 to 56 % of the letters, the other two 1 to 4 %.
CALIBRATIONS = (CalibrationMethod.MinMax, CalibrationMethod.Percentile)
OTHER_TYPES = ((QuantType.QUInt8, False), (QuantType.QInt8, False))
MAX_COST_POINTS = 0.3  # of accuracy
MIN_AGREEMENT = 0.98  # `verify` refuses a package that changes more letters


@dataclass(frozen=True)
class Trial:
    """What a recipe does to the answers on the trial pictures, against float32."""

    recipe: Recipe
    agreement: float  # share of pictures whose best letter stays
    cost_points: float  # accuracy lost, in points; negative where it happens to gain
    logits_rms: float  # root mean square difference of the letter logits
    points_mean: float  # mean difference of the hand points, in shares of the crop's side
    bytes: int

    @property
    def is_free(self) -> bool:
        """Does it cost no accuracy worth the name?"""
        return self.cost_points <= MAX_COST_POINTS and self.agreement >= MIN_AGREEMENT

    def report(self, chosen: Recipe) -> dict[str, Any]:
        """For the metadata."""
        figures = {name: value for name, value in vars(self).items() if name != "recipe"}
        rounded = {name: round(value, 4) for name, value in figures.items()}
        return {"recipe": self.recipe.name, "chosen": self.recipe == chosen, **rounded}


@dataclass(frozen=True)
class TrialPictures:
    """Tensors (1, 3, S, S) with their letters (N,) 0..25."""

    tensors: Sequence[Array]
    letters: np.ndarray


def quantise_best(
    float_path: Path, output: Path, calibration: Sequence[Array], pictures: TrialPictures, quick: bool = False
) -> tuple[Recipe, list[dict[str, Any]]]:
    """Write `output` by the best recipe -> that recipe and the table of all that were tried; `quick` tries
    the usual one alone."""
    wanted = _answers(float_path, pictures.tensors)
    folded = output.with_suffix(".folded")
    fold(float_path, folded)
    trials: list[Trial] = []

    def attempt(recipe: Recipe) -> Trial:
        path = output.with_suffix(f".{len(trials)}")
        quantise(folded, path, recipe, calibration)
        trials.append(_compare(recipe, path, wanted, pictures))
        return trials[-1]

    methods = [USUAL.calibration] if quick else CALIBRATIONS
    usual = _best([attempt(replace(USUAL, calibration=method)) for method in methods])
    for activations, reduce_range in () if quick else OTHER_TYPES:
        attempt(replace(usual.recipe, activations=activations, reduce_range=reduce_range))
    if not quick and not any(trial.is_free for trial in trials if trial.recipe.reduce_range):
        attempt(replace(usual.recipe, first_float=True))
    chosen = choose(trials)
    for number, trial in enumerate(trials):
        path = output.with_suffix(f".{number}")
        path.rename(output) if trial.recipe == chosen else path.unlink()
    folded.unlink()
    return chosen, [trial.report(chosen) for trial in trials]


def choose(trials: Sequence[Trial]) -> Recipe:
    """The first kind of recipe, in this order, whose best trial is free: 7-bit weights in every layer, 7-bit
    weights but for the first layer. Where none is: 7 bits, unless another costs clearly less."""
    seven_bits = [trial for trial in trials if trial.recipe.reduce_range]
    for some in ([t for t in seven_bits if not t.recipe.first_float], seven_bits):
        if _best(some).is_free:
            return _best(some).recipe
    usual = _best(seven_bits)
    better = [trial for trial in trials if usual.cost_points - trial.cost_points > MAX_COST_POINTS]
    return _best(better or [usual]).recipe


def _best(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: (trial.agreement, -trial.logits_rms))


def _compare(recipe: Recipe, path: Path, wanted: tuple[Array, Array], pictures: TrialPictures) -> Trial:
    letters, points = _answers(path, pictures.tensors)
    said, meant = letters.argmax(1), wanted[0].argmax(1)
    lost = (meant == pictures.letters).mean() - (said == pictures.letters).mean()
    return Trial(
        recipe=recipe,
        agreement=float((said == meant).mean()),
        cost_points=100 * float(lost),
        logits_rms=float(np.sqrt(np.square(letters - wanted[0]).mean())),
        points_mean=float(np.abs(points - wanted[1]).mean()),
        bytes=path.stat().st_size,
    )


def _answers(path: Path, tensors: Sequence[Array]) -> tuple[Array, Array]:
    """Letters (N, 26) and points (N, 21, 2) of a model that reads one picture at a time."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers = [session.run(["letters", "points"], feed(tensor)) for tensor in tensors]
    letters, points = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    return letters, points
