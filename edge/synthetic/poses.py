"""The manual alphabet as joint angles, and the hand's joints for these angles.

Coordinates of a right hand with its palm to the viewer and its fingers up: x points right, to the thumb's
side, y up, z to the viewer. The unit is the distance from wrist to middle knuckle.
"""

import numpy as np
import numpy.typing as npt

Pose = npt.NDArray[np.float64]  # (25,) degrees, as make_pose orders them
Joints = npt.NDArray[np.float64]  # (21, 3) x right, y up, z to the viewer; MediaPipe's order

# Rounded values of an adult hand. Training varies them.
KNUCKLES = np.array([[0.27, 0.97, 0.0], [0.06, 1.0, 0.02], [-0.15, 0.94, 0.01], [-0.34, 0.83, -0.03]])
FINGER_BONES = np.array([[0.46, 0.28, 0.22], [0.51, 0.32, 0.23], [0.47, 0.30, 0.23], [0.37, 0.22, 0.20]])
THUMB_BASE = np.array([0.20, 0.17, 0.06])
THUMB_BONES = np.array([0.46, 0.36, 0.29])

# Degrees: spread to the thumb's side, then flexion at the knuckle, the middle joint and the end joint.
Finger = tuple[float, float, float, float]
UP: Finger = (0, 3, 4, 3)
FIST: Finger = (0, 86, 106, 65)


def make_pose(
    fingers: tuple[Finger, Finger, Finger, Finger],
    thumb: tuple[float, float, float, float, float, float],
    rotation_deg: tuple[float, float, float] = (0, 0, 0),
) -> Pose:
    """Return (25,) degrees: the fingers from index to little finger, the thumb, the rotation of the hand.

    `thumb`: for each of its three bones the azimuth (0 up, 90 to the thumb's side) and the elevation to the
    viewer. `rotation_deg`: yaw (palm to the viewer's right), pitch (fingers to the viewer), roll
    (anticlockwise).
    """
    return np.array([angle for finger in fingers for angle in finger] + [*thumb, *rotation_deg], np.float64)


def _spread(finger: Finger, degrees: float) -> Finger:
    return (degrees, *finger[1:])


IN_FIST = (FIST, FIST, FIST, FIST)
OVER_THUMB: Finger = (0, 74, 70, 25)  # a finger of M, N or T, folded over the thumb
TIGHT: Finger = (0, 92, 115, 60)  # a finger beside the thumb's tip
ACROSS = (20, 50, -55, 25, -75, -5)  # the thumb lies across the palm
OVER = (25, 44, -27, 40, -74, 3)  # the thumb lies across all folded fingers
HOLD = (31, 54, -33, 27, -55, 1)  # the thumb holds the folded fingers down

POSES: dict[str, Pose] = {
    "A": make_pose(IN_FIST, (50, 26, -10, 20, -8, 2), (6, 0, 0)),
    "B": make_pose((_spread(UP, 1), UP, UP, _spread(UP, 2)), ACROSS),
    "C": make_pose(
        ((0, 42, 36, 25), (0, 42, 38, 25), (0, 44, 38, 25), (2, 46, 38, 25)),
        (45, 55, 40, 65, 10, 55),
        (58, 0, 0),
    ),
    "D": make_pose(
        (UP, (0, 60, 52, 30), (0, 66, 56, 32), (0, 72, 58, 35)), (24, 65, -5, 45, -28, 26), (30, 0, 0)
    ),
    "E": make_pose(
        ((0, 38, 105, 50), (0, 36, 108, 50), (0, 36, 108, 50), (0, 40, 102, 50)),
        (27, 50, -48, 0, -88, -8),
        (0, 4, 0),
    ),
    "F": make_pose(
        ((0, 58, 52, 20), UP, _spread(UP, -10), _spread(UP, -20)), (37, 54, 2, 54, -12, 24), (12, 0, 0)
    ),
    "G": make_pose(((0, 8, 8, 5), FIST, FIST, FIST), (50, 10, 20, 8, 10, 5), (140, 0, -85)),
    "H": make_pose(((0, 5, 5, 3), (3, 5, 5, 3), FIST, FIST), HOLD, (155, 0, -75)),
    "I": make_pose((FIST, FIST, FIST, _spread(UP, -6)), OVER),
    "J": make_pose((FIST, FIST, FIST, _spread(UP, -10)), OVER, (25, 10, 62)),
    "K": make_pose((_spread(UP, 10), (-13, 32, 4, 3), FIST, FIST), (20, 25, -6, 20, -10, 12), (12, 0, 0)),
    "L": make_pose((UP, FIST, FIST, FIST), (72, 12, 82, 8, 86, 0)),
    "M": make_pose((OVER_THUMB, OVER_THUMB, OVER_THUMB, TIGHT), (13, 46, -62, 5, -48, 16)),
    "N": make_pose((OVER_THUMB, OVER_THUMB, TIGHT, TIGHT), (23, 39, -52, 15, -26, 21)),
    "O": make_pose(
        ((0, 55, 45, 30), (0, 55, 47, 30), (0, 57, 48, 30), (2, 60, 48, 30)),
        (22, 52, 4, 54, -15, 35),
        (55, 0, 0),
    ),
    "P": make_pose((_spread(UP, 5), (-8, 48, 4, 3), FIST, FIST), (25, 30, 0, 30, -8, 20), (135, 0, -82)),
    "Q": make_pose(((0, 18, 10, 5), FIST, FIST, FIST), (60, 8, 28, 6, 8, 5), (140, 0, -150)),
    "R": make_pose(((-13, 8, 4, 3), (14, -2, 14, 10), FIST, FIST), HOLD),
    "S": make_pose(IN_FIST, OVER),
    "T": make_pose((_spread(OVER_THUMB, 4), TIGHT, TIGHT, TIGHT), (30, 34, -33, 22, -12, 20)),
    "U": make_pose((_spread(UP, -1), _spread(UP, 1), FIST, FIST), HOLD),
    "V": make_pose((_spread(UP, 14), _spread(UP, -13), FIST, FIST), HOLD),
    "W": make_pose((_spread(UP, 14), UP, _spread(UP, -14), (0, 72, 80, 40)), (25, 45, -45, 40, -70, 20)),
    "X": make_pose(((0, 15, 75, 50), FIST, FIST, FIST), HOLD, (40, 0, 0)),
    "Y": make_pose((FIST, FIST, FIST, _spread(UP, -28)), (62, 12, 72, 5, 76, 0)),
    "Z": make_pose((UP, FIST, FIST, FIST), OVER, (10, 25, -24)),
}

# Letters that point sideways or down, as seen by the signer, or by a camera at the signer's head.
SIGNERS_VIEW: dict[str, Pose] = {
    "G": make_pose(((0, 8, 8, 5), FIST, FIST, FIST), (32, 45, 8, 15, -2, 2), (-40, 0, 82)),
    "H": make_pose(((0, 5, 5, 3), (3, 5, 5, 3), FIST, FIST), HOLD, (-20, 0, 80)),
    "P": make_pose((_spread(UP, 5), (-8, 48, 4, 3), FIST, FIST), (25, 30, 0, 30, -8, 20), (-58, 0, 80)),
    "Q": make_pose(((0, 16, 10, 5), FIST, FIST, FIST), (38, 62, 15, 42, 5, 25), (-55, 0, 148)),
}

RELAXED = make_pose(
    ((2, 18, 28, 15), (0, 24, 32, 18), (-2, 28, 34, 18), (-5, 30, 34, 18)),
    (45, 30, 25, 25, 15, 15),
    (20, 0, 0),
)
OTHERS = (  # hands that sign no letter
    RELAXED,
    make_pose(((14, 0, 3, 2), (4, 0, 3, 2), (-8, 0, 3, 2), (-20, 0, 3, 2)), (52, 20, 40, 10, 36, 5)),
    make_pose(
        ((8, 25, 40, 25), (2, 25, 42, 25), (-5, 25, 42, 25), (-14, 25, 42, 25)), (55, 40, 35, 40, 10, 35)
    ),
    make_pose((_spread(UP, 3), UP, UP, UP), (50, 20, 25, 15, 15, 5), (180, 0, 0)),
    make_pose(IN_FIST, (50, 25, 0, 10, -10, 0), (150, 0, -80)),
    make_pose(IN_FIST, (20, 10, 5, 0, -5, -10), (60, 0, 0)),
)


def blend(pose_a: Pose, pose_b: Pose, fraction: float) -> Pose:
    """Interpolate the angles linearly: pose a at fraction 0, pose b at fraction 1."""
    return pose_a + (pose_b - pose_a) * fraction


def rotation(yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    """Return the matrix (3, 3), for column vectors, that applies yaw, then pitch, then roll, in degrees."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(a := np.radians([yaw, pitch, roll])), np.sin(a)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y)


def hand_joints(pose: Pose, lengths: npt.NDArray[np.float64] | None = None) -> Joints:
    """Return the joints (21, 3) of a pose (25,). `lengths` (5,) scales the thumb and then the fingers."""
    scale = np.ones(5) if lengths is None else lengths
    angles = np.radians(pose)
    spread, flexion = angles[:16].reshape(4, 4)[:, :1], np.cumsum(angles[:16].reshape(4, 4)[:, 1:], axis=1)
    reach = np.cos(flexion)
    bones = np.stack([np.sin(spread) * reach, np.cos(spread) * reach, np.sin(flexion)], axis=2)
    joints = np.zeros((21, 3))
    fingers = KNUCKLES[:, None] + np.cumsum(bones * (FINGER_BONES * scale[1:, None])[:, :, None], axis=1)
    joints[5:].reshape(4, 4, 3)[:, 0] = KNUCKLES
    joints[5:].reshape(4, 4, 3)[:, 1:] = fingers
    azimuth, elevation = angles[16:22].reshape(3, 2).T
    flat = np.cos(elevation)
    thumb = np.stack([np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)], axis=1)
    joints[1] = THUMB_BASE
    joints[2:5] = THUMB_BASE + np.cumsum(thumb * (THUMB_BONES * scale[0])[:, None], axis=0)
    return np.asarray(joints @ rotation(*pose[22:]).T)
