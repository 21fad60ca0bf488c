"""How a hand is held before the camera: the bend of the wrist, and the direction of the camera."""

import numpy as np

from edge.synthetic.poses import Pose, rotation
from train.synthetic.mesh_poses import ROTATIONS, Rotation

# The elbow is roughly below the hand, and the wrist bends towards it as far as wrists can. Degrees.
ELBOW_DEVIATION = 0.35  # standard deviation on every axis, of the arm's length
TO_PALM, TO_BACK, TO_THUMB, TO_LITTLE = 80.0, 55.0, 18.0, 32.0
HANGING_FROM = -120.0  # a forearm farther towards the back is reached by bending to the palm instead

CAMERA_DEG = 24.0  # largest yaw, pitch and roll of the camera
# Some hands are seen from far aside, above or below, but no fists: from the side they all look alike.
# Letters that have rotations of their own are seen from the front, too, except F, whose own are small.
ASIDE_FRACTION = 0.3
ASIDE = ((-85.0, 60.0), (-35.0, 45.0))  # yaw, pitch; degrees
FROM_FRONT = {*ROTATIONS, *"HAEMNST"} - {"F"}


def draw_wrist_bend(rng: np.random.Generator, pose: Pose) -> tuple[float, float]:
    """Return the forearm's bend to the thumb's side and to the palm, radians.

    The wrist bends part of the way towards an elbow below the hand.
    """
    elbow = (np.array([0.0, -1.0, 0.0]) + rng.normal(0, ELBOW_DEVIATION, 3)) @ rotation(*pose[22:])
    to_palm = np.degrees(np.arctan2(elbow[2], -elbow[1]))
    if to_palm < HANGING_FROM:
        to_palm += 360
    to_thumb = np.degrees(np.arctan2(elbow[0], np.hypot(elbow[1], elbow[2])))
    fraction = rng.uniform(0, 1, 2)
    return (
        float(np.radians(np.clip(to_thumb, -TO_LITTLE, TO_THUMB) * fraction[0])),
        float(np.radians(np.clip(to_palm, -TO_BACK, TO_PALM) * fraction[1])),
    )


def draw_camera(rng: np.random.Generator, letter: str | None) -> Rotation:
    """Return the camera's direction as a rotation of hand and arm together."""
    if letter is None or letter in FROM_FRONT or rng.random() >= ASIDE_FRACTION:
        yaw, pitch, roll = rng.uniform(-CAMERA_DEG, CAMERA_DEG, 3)
        return float(yaw), float(pitch), float(roll)
    yaw, pitch = (rng.uniform(*limits) for limits in ASIDE)
    return float(yaw), float(pitch), float(rng.uniform(-CAMERA_DEG, CAMERA_DEG))
