"""An engine that says what it was told to: for tests and for trying the rest of the path without a model.

engine = ScriptedEngine([answer("A"), answer("A"), answer(None)])
"""

from collections.abc import Iterable

import numpy as np

from edge.errors import EngineError
from edge.records import LETTERS, N_LANDMARKS, Array, Output

SURE = 12.0  # a logit this far above the others is a confidence of more than 99.9 %
REACH = 2 / 7  # of the square's side: half of 1 / MARGIN of edge.hand.reader


def answer(letter: str | None, landmarks: Array | None = None) -> Output:
    """One answer: a hand that signs `letter`, or None for "no hand".

    `landmarks` (21, 2) are fractions of the crop's side; by default a hand as far in as training shows it, so
    that a second look is one at the same square.
    """
    letters = np.zeros((1, len(LETTERS)), np.float32)
    if letter is not None:
        letters[0, LETTERS.index(letter)] = SURE
    if landmarks is None:
        turn = np.arange(N_LANDMARKS) * (2 * np.pi / (N_LANDMARKS - 1))
        landmarks = np.stack([0.5 + REACH * np.cos(turn), 0.5 + REACH * np.sin(turn)], axis=1).astype(
            np.float32
        )
    presence = np.array([-SURE if letter is None else SURE], np.float32)
    return Output(letters, presence, landmarks[None])


class ScriptedEngine:
    """Gives its answers in order, one a call, whatever it is shown; EngineError when they have run out."""

    def __init__(self, answers: Iterable[Output]) -> None:
        self._answers = iter(answers)

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        try:
            return next(self._answers)
        except StopIteration:
            raise EngineError("the scripted engine has no answer left: give it more") from None
