"""How a hand is held before the camera: the wrist between it and its forearm, and where the camera stands."""

import numpy as np

from edge.synthetic.poses import Pose, rotation
from train.synthetic.mesh_poses import TURNS, Turn

# The elbow is below the hand, roughly; the wrist bends towards there, as far as wrists do. Degrees.
ELBOW_OFF = 0.35  # of the arm's length, on every axis
TO_PALM, TO_BACK, TO_THUMB, TO_LITTLE = 80.0, 55.0, 18.0, 32.0
HANGS = -120.0  # a forearm that is farther round to the back than so is reached by bending to the palm

TURN_DEG = 24.0  # largest yaw, pitch and roll of the camera
# Some look from far aside, from above or from below; at fists none, as round a corner they are all alike. Of
# letters that have turns of their own (F's are small), all are seen from nearby.
ASIDE_SHARE = 0.3
ASIDE = ((-85.0, 60.0), (-35.0, 45.0))  # yaw, pitch; degrees
FROM_NEARBY = {*TURNS, *"HAEMNST"} - {"F"}


def bent_wrist(rng: np.random.Generator, pose: Pose) -> tuple[float, float]:
    """How far the forearm is bent to the thumb's side and to the palm's, radians: towards an elbow below the
    hand, some of the way."""
    elbow = (np.array([0.0, -1.0, 0.0]) + rng.normal(0, ELBOW_OFF, 3)) @ rotation(*pose[22:])
    to_palm = np.degrees(np.arctan2(elbow[2], -elbow[1]))
    if to_palm < HANGS:
        to_palm += 360
    to_thumb = np.degrees(np.arctan2(elbow[0], np.hypot(elbow[1], elbow[2])))
    way = rng.uniform(0, 1, 2)
    return (
        float(np.radians(np.clip(to_thumb, -TO_LITTLE, TO_THUMB) * way[0])),
        float(np.radians(np.clip(to_palm, -TO_BACK, TO_PALM) * way[1])),
    )


def seen_from(rng: np.random.Generator, letter: str | None) -> Turn:
    """The camera's place, as the turn of hand and arm together."""
    if letter is None or letter in FROM_NEARBY or rng.random() >= ASIDE_SHARE:
        yaw, pitch, roll = rng.uniform(-TURN_DEG, TURN_DEG, 3)
        return float(yaw), float(pitch), float(roll)
    yaw, pitch = (rng.uniform(*between) for between in ASIDE)
    return float(yaw), float(pitch), float(rng.uniform(-TURN_DEG, TURN_DEG))
