"""The letters as the mesh forms them, and the ways in which people differ.

The joint angles are those of `edge.handshapes`, but for the thumb: flesh has a thickness, and a thumb that
lies on a finger must not go through it. Its angles here were found by a random search, letter by letter: the
tip where the letter has it (on the middle finger, between two fingers...), two hundredths of a hand length
into what it touches, no bone bent further than a thumb bends.
"""

import numpy as np

from edge.handshapes import POSES, SIGNERS_VIEW, Pose, blend
from edge.signer import no_letter

ON_FINGERS = (43, 68, -27, 39, -70, -18)  # before index and middle finger
ON_RING = (25, 68, -51, 27, -73, -12)  # holds the ring finger down
THUMBS = {
    "A": (66, 29, -5, 31, -23, -17),
    "D": (26, 68, -21, 67, -64, 6),
    "E": (2, 59, -62, 18, -119, -33),
    "F": (43, 67, 1, 78, -24, 14),
    "M": (1, 35, -53, -3, -129, -3),
    "N": (18, 51, -32, -1, -106, -36),
    "O": (21, 68, -13, 59, -42, 19),
    "T": (-13, 48, -54, 33, 17, 8),
    "W": (-10, 46, -68, 26, -81, 15),
    "Z": (36, 44, -32, 40, -84, -4),
    **dict.fromkeys("IJS", ON_FINGERS),
    **dict.fromkeys("HRUVX", ON_RING),
}

Turn = tuple[float, float, float]  # yaw, pitch, roll; degrees
# How far people turn the whole hand: pairs, between which anybody's lies. Z's finger stands, leans or points
# at who looks; J is caught early or late in its motion, from the palm or from the back.
TURNS: dict[str, tuple[tuple[Turn, Turn], ...]] = {
    "C": (((10, 0, 0), (72, 0, 0)),),
    "D": (((0, 0, 0), (38, 0, 0)), ((38, 0, 0), (95, 0, 0))),
    "F": (((0, 0, 0), (15, 0, 0)),),
    "G": (((95, 0, -85), (160, 0, -85)),),
    "J": (((15, 5, 40), (30, 10, 110)), ((30, 5, 60), (30, 10, 110)), ((130, 0, 95), (170, 0, 150))),
    "O": (((10, 0, 0), (72, 0, 0)),),
    "P": (((100, 0, -70), (150, 0, -100)),),
    "Q": (((105, 0, -150), (160, 0, -150)),),
    "X": (((5, 0, 0), (75, 0, 0)),),
    "Z": (((-5, -5, 8), (14, 30, -32)), ((-5, -5, 8), (14, 30, -32)), ((0, 50, -40), (0, 80, 30))),
}
NARROWEST_V, WIDEST_V = 0.45, 1.15  # of the spread that the letter has


def posed_letter(rng: np.random.Generator, letter: str | None) -> Pose:
    """(25,): the letter in one of the ways that people form it; None: a hand that signs none."""
    if letter is None:
        return no_letter(rng)
    if letter in SIGNERS_VIEW and rng.random() < 0.5:
        return SIGNERS_VIEW[letter].copy()
    pose = POSES[letter].copy()
    if letter in THUMBS:
        pose[16:22] = THUMBS[letter]
    if letter in TURNS:
        a_turn, b_turn = TURNS[letter][rng.integers(len(TURNS[letter]))]
        pose[22:] = blend(np.array(a_turn, np.float64), np.array(b_turn, np.float64), float(rng.random()))
    if letter == "V":
        pose[[0, 4]] *= rng.uniform(NARROWEST_V, WIDEST_V)
    return pose
