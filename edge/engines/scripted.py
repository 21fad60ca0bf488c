"""An engine with given outputs, for tests and for trying the rest of the path without a model.

engine = ScriptedEngine([make_output("A"), make_output("A"), make_output(None)])
"""

from collections.abc import Iterable

import numpy as np

from edge.errors import EngineError
from edge.geometry import MARGIN
from edge.records import LETTERS, N_LANDMARKS, Array, Output

SURE = 12.0  # a logit this far above the others is a confidence of more than 99.9 %


def make_output(letter: str | None, landmarks: Array | None = None) -> Output:
    """Return the output for a hand that shows `letter`, or for no hand if it is None.

    `landmarks` (21, 2) are fractions of the crop's side; by default they lie on a circle that fills the crop
    as a hand does, so that a second view is of the same square.
    """
    letters = np.zeros((1, len(LETTERS)), np.float32)
    if letter is not None:
        letters[0, LETTERS.index(letter)] = SURE
    if landmarks is None:
        angles = np.arange(N_LANDMARKS) * (2 * np.pi / (N_LANDMARKS - 1))
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        landmarks = (0.5 + circle / (2 * MARGIN)).astype(np.float32)
    presence = np.array([-SURE if letter is None else SURE], np.float32)
    return Output(letters, presence, landmarks[None])


class ScriptedEngine:
    """Return the given outputs in order, one for each call. Raises EngineError after the last one."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._outputs = iter(outputs)

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        try:
            return next(self._outputs)
        except StopIteration:
            raise EngineError("the scripted engine has no output left: give it more") from None
