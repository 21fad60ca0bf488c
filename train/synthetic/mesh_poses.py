"""The letters as the mesh forms them, and the ways in which people differ.

The joint angles are those of `edge.synthetic.poses`, except for the thumb: a thumb that lies on a finger
must not go through its flesh. The thumb's angles were found by a random search for each letter, with the tip
where the letter has it, 0.02 hand lengths into what it touches, and no bone bent further than a thumb bends.
"""

import numpy as np

from edge.synthetic.poses import POSES, SIGNERS_VIEW, UP, Pose, blend, make_pose
from train.synthetic.drawn import draw_idle_pose

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
# Half of the hands let the thumb's tip stand out between the fingers of M and N, as in T.
STANDS_OUT = {"M": (-67, 27, -70, 24, -11, 27), "N": (-48, 30, -54, 38, 11, 15)}

Rotation = tuple[float, float, float]  # yaw, pitch, roll; degrees
# How far people rotate the whole hand: each pair limits a range. C, D, F, O and X are seen from the palm,
# the little finger's side and the thumb's side; C and O also lie with the palm down. Z's finger stands,
# leans, points at the viewer, or points aside with the palm down. J is caught early or late in its motion,
# from the palm or from the back.
THUMBS_SIDE = ((-35, 0, -12), (-115, 0, 12))
LYING = ((-60, 0, 35), (-110, 0, 105)), ((60, 0, -35), (100, 0, -105))
ROTATIONS: dict[str, tuple[tuple[Rotation, Rotation], ...]] = {
    "C": (((10, 0, 0), (72, 0, 0)), ((10, 0, 0), (72, 0, 0)), THUMBS_SIDE, THUMBS_SIDE, *LYING),
    "D": (((0, 0, 0), (38, 0, 0)), ((38, 0, 0), (95, 0, 0)), THUMBS_SIDE),
    "F": (((0, 0, 0), (15, 0, 0)), ((0, 0, 0), (15, 0, 0)), THUMBS_SIDE),
    "G": (((95, 0, -85), (160, 0, -85)),),
    "J": (((15, 5, 40), (30, 10, 110)), ((20, 5, 80), (80, 10, 150)), ((130, 0, 95), (170, 0, 150))),
    "O": (((10, 0, 0), (72, 0, 0)), ((10, 0, 0), (72, 0, 0)), THUMBS_SIDE, THUMBS_SIDE, *LYING),
    "P": (((100, 0, -60), (160, 0, -105)), ((90, 15, -90), (150, 15, -135))),
    "Q": (((105, 0, -150), (160, 0, -150)), ((120, 20, -110), (170, 20, -160))),
    "X": (((5, 0, 0), (75, 0, 0)), ((5, 0, 0), (75, 0, 0)), THUMBS_SIDE),
    "Z": (
        *[((-5, -5, 8), (14, 30, -32))] * 3,
        ((0, 50, -40), (0, 80, 30)),
        ((0, 45, -70), (0, 85, 50)),
        ((60, 0, -60), (130, 45, -100)),
    ),
}
# Some people hold these letters in ways that others don't: how often, and the ranges of the rotation. M and N
# hang with the fingers down, seen from the palm or from the back; R is seen from aside or from the back; K
# from the side; G, H and P point towards the viewer.
HANGING_FISTS = (
    ((-30, 0, 150), (30, 25, 210)),
    ((150, 0, 150), (210, 25, 210)),
    ((-25, 30, -20), (25, 75, 20)),
)
RARE_ROTATIONS: dict[str, tuple[float, tuple[tuple[Rotation, Rotation], ...]]] = {
    "M": (0.3, HANGING_FISTS),
    "N": (0.3, HANGING_FISTS),
    "R": (0.35, (((-75, 0, -10), (-20, 0, 10)), ((20, 0, -10), (75, 0, 10)), ((150, 0, -15), (210, 0, 15)))),
    "K": (0.3, (((35, 0, -15), (100, 0, 15)), ((-70, 0, -15), (-25, 0, 15)))),
    "P": (0.3, (((80, 35, -70), (130, 65, -110)), ((40, 0, -70), (95, 25, -110)))),
    "G": (0.25, (((60, 25, -60), (130, 75, -95)), ((110, -40, -85), (160, -10, -85)))),
    "H": (0.25, (((60, 25, -60), (130, 75, -95)), ((110, -40, -75), (160, -10, -75)))),
    "C": (0.15, (((-12, -5, -5), (12, 10, 5)),)),
    "O": (0.15, (((-12, -5, -5), (12, 10, 5)),)),
}
# The thumb of I lies beside the fist or is half out, that of S lies high, that of T peeps out less or more.
BESIDE = THUMBS["A"]
HALF_OUT = (62, 12, 40, 10, 30, 5)
HIGH = (36, 62, -20, 46, -48, -4)
ODD_THUMBS = {
    "I": ((0.25, BESIDE, 1.0), (0.3, HALF_OUT, 0.9)),
    "S": ((0.25, HIGH, 1.0), (0.15, BESIDE, 0.5)),
    "T": ((0.2, THUMBS["N"], 0.8), (0.2, BESIDE, 0.6), (0.15, HALF_OUT, 0.5)),
    "X": ((0.15, BESIDE, 0.8),),
    "D": ((0.15, ON_FINGERS, 1.0),),
    "Z": ((0.2, BESIDE, 0.8),),
    "G": ((0.2, ON_RING, 1.0),),
}
CLOSED_E_FRACTION = 0.35  # of E are closed like a fist
NARROWEST_V, WIDEST_V = 0.45, 1.15  # fractions of the spread in `POSES`

# Some people let the thumb hold down no finger: how often, and how far at most it is on its way to AWAY.
AWAY = (62, 18, 50, 15, 40, 5)
LEFT_AWAY = {"R": (0.3, 1.0), "U": (0.15, 0.6), "H": (0.15, 0.6), "V": (0.15, 0.5)}
# The fingers of M and N lie flatter or steeper on the thumb, D's are between a wide ring and a fist, K's and
# P's middle finger is bent little or much, and R's fingers are crossed less or more.
STEEPER = (-6.0, 16.0)  # degrees at the knuckle
D_IN_FIST = make_pose((UP, (0, 76, 84, 45), (0, 80, 86, 45), (0, 84, 88, 45)), (25, 66, -36, 40, -70, -6))
D_WIDE = make_pose((UP, (0, 55, 47, 30), (0, 57, 48, 30), (2, 60, 48, 30)), THUMBS["O"])
MIDDLE_BENT = {"K": (6.0, 36.0), "P": (30.0, 85.0)}  # degrees at the knuckle
CROSSED = (0.7, 1.3)

# Hands that sign no letter, besides those of `edge.synthetic.poses`: lax, spread and cupped hands hang from a
# bent wrist or are held out. Flat hands and hands bent at the knuckles only hang; held out they would be a B.
FLAT, LAX = (0, 4, 6, 4), (0, 32, 28, 15)
FLAT_HANDS: tuple[Pose, ...] = (
    make_pose((FLAT, FLAT, FLAT, FLAT), (35, 30, 5, 25, -5, 15)),
    make_pose(((0, 42, 10, 6), (0, 44, 10, 6), (0, 46, 10, 6), (0, 48, 10, 6)), (25, 50, 0, 45, -5, 40)),
)
OPEN_HANDS: tuple[Pose, ...] = (
    make_pose((LAX, LAX, LAX, LAX), (40, 40, 15, 35, 0, 30)),
    make_pose(((14, 6, 8, 5), (4, 6, 8, 5), (-7, 6, 8, 5), (-18, 6, 8, 5)), (60, 20, 45, 12, 40, 8)),
    make_pose(
        ((6, 28, 30, 15), (2, 30, 32, 15), (-4, 32, 32, 15), (-9, 34, 32, 15)), (66, 30, 48, 22, 30, 18)
    ),
)
HANGING = ((-180.0, 180.0), (-20.0, 20.0), (100.0, 260.0))  # yaw, pitch, roll
HELD_OUT = ((-75.0, 75.0), (-40.0, 40.0), (-40.0, 40.0))
HANGING_FRACTION, HELD_OUT_FRACTION = 0.35, 0.35  # of the hands that sign no letter


def draw_mesh_pose(rng: np.random.Generator, letter: str | None) -> Pose:
    """Return (25,): the letter in one of the ways that people form it, or a hand that signs no letter."""
    if letter is None:
        return _draw_held_idle_pose(rng)
    if letter in SIGNERS_VIEW and rng.random() < 0.5:
        return SIGNERS_VIEW[letter].copy()
    pose = POSES[letter].copy()
    if letter in THUMBS:
        stands_out = letter in STANDS_OUT and rng.random() < 0.5
        pose[16:22] = (STANDS_OUT if stands_out else THUMBS)[letter]
    if letter == "D":
        pose = blend(pose, D_IN_FIST if rng.random() < 0.7 else D_WIDE, float(rng.random()))
    if letter in ROTATIONS:
        one, other = ROTATIONS[letter][rng.integers(len(ROTATIONS[letter]))]
        pose[22:] = blend(np.array(one, np.float64), np.array(other, np.float64), float(rng.random()))
    rare, rotations = RARE_ROTATIONS.get(letter, (0.0, ()))
    if rng.random() < rare:
        one, other = rotations[rng.integers(len(rotations))]
        pose[22:] = one + (np.array(other, np.float64) - one) * rng.random(3)
    for chance, thumb, most in ODD_THUMBS.get(letter, ()):
        if rng.random() < chance:
            pose[16:22] = blend(pose[16:22], np.array(thumb, np.float64), float(rng.uniform(0.3, 1) * most))
    if letter == "E" and rng.random() < CLOSED_E_FRACTION:
        closed = POSES["S"].copy()
        closed[16:22] = pose[16:22]
        closed[22:] = pose[22:]
        pose = blend(pose, closed, float(rng.uniform(0.3, 1)))
    if letter == "V":
        pose[[0, 4]] *= rng.uniform(NARROWEST_V, WIDEST_V)
    if letter in "MN":
        pose[1:16:4] += rng.uniform(*STEEPER)
    if letter in MIDDLE_BENT:
        pose[5] = rng.uniform(*MIDDLE_BENT[letter])
    if letter == "R":
        pose[[0, 4]] *= rng.uniform(*CROSSED)
    if letter in LEFT_AWAY:
        fraction, most = LEFT_AWAY[letter]
        if rng.random() < fraction:
            pose[16:22] = blend(pose[16:22], np.array(AWAY, np.float64), float(rng.uniform(0.2, most)))
    return pose


def _draw_held_idle_pose(rng: np.random.Generator) -> Pose:
    """Return (25,): a hand that signs no letter: hanging, held out, or relaxed."""
    kind = rng.random()
    if kind < HANGING_FRACTION:
        poses, rotations = FLAT_HANDS + OPEN_HANDS, HANGING
    elif kind < HANGING_FRACTION + HELD_OUT_FRACTION:
        poses, rotations = OPEN_HANDS, HELD_OUT
    else:
        return draw_idle_pose(rng)
    a, b = rng.choice(len(poses), 2, replace=False)
    pose = blend(poses[a], poses[b], float(rng.uniform(0, 0.4)))
    pose[22:] = [rng.uniform(*limits) for limits in rotations]
    return pose
