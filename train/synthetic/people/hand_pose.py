"""Pose a body's right hand by the joint angles of `edge.synthetic.poses`."""

from dataclasses import dataclass

import numpy as np

from edge.synthetic.poses import Pose, rotation
from train.synthetic.mesh import FINGERTIP
from train.synthetic.people.body import Body, Floats, load_rig
from train.synthetic.pose_mesh import rotate_finger, rotate_thumb

# Anny's fingers are shorter than an adult's, for a palm of the same length, and thicker at the joints: they
# are stretched along their bones, and a fist closes at smaller angles.
STRETCH = 1.18
EASED_FROM_DEG, EASED = 40.0, 0.2


@dataclass(frozen=True, eq=False)
class HandFrame:
    """A hand's own axes at rest: x to the thumb's side, y to the fingers, z out of the palm."""

    axes: Floats  # (3, 3), a row for each axis
    unit_m: float  # from wrist to middle knuckle
    bones: Floats  # (5, 3, 3): each finger's three bones, thumb first, along the axes
    knuckles_x: Floats  # (5,) in units


def finger_bones(finger: int, side: str = "R") -> list[str]:
    """Return the names of a finger's three bones; finger 0 is the thumb."""
    return [f"finger{finger + 1}-{bone}.{side}" for bone in (1, 2, 3)]


def find_hand_frame(body: Body, side: str = "R") -> HandFrame:
    """Return the frame of a body's hand. A left hand is described as a right one in a mirror."""
    rig = load_rig()
    mirror = np.array([1.0 if side == "R" else -1.0, 1, 1])

    def at(name: str) -> Floats:
        return np.asarray(body.joints[rig.bone(name)] * mirror)

    wrist = at(f"wrist.{side}")
    up = at(f"finger3-1.{side}") - wrist
    unit = float(np.linalg.norm(up))
    up /= unit
    across = at(f"finger2-1.{side}") - at(f"finger5-1.{side}")
    across -= (across @ up) * up
    across /= np.linalg.norm(across)
    axes = np.stack([across, up, np.cross(across, up)])
    bones, knuckles = [], []
    for finger in range(5):
        names = finger_bones(finger, side)
        joints = [at(name) for name in names] + [find_fingertip(body, finger, side) * mirror]
        bones.append(np.diff(joints, axis=0) @ axes.T)
        knuckles.append((joints[0] - wrist) @ across / unit)
    return HandFrame(axes, unit, np.stack(bones), np.array(knuckles))


def find_fingertip(body: Body, finger: int, side: str = "R") -> Floats:
    """Return (3,), the landmark of a finger's tip at rest, near the end of the flesh."""
    rig = load_rig()
    names = finger_bones(finger, side)
    before, last = (body.joints[rig.bone(name)] for name in names[1:])
    flesh = body.vertices[rig.vertices_of(names[2])]
    along = flesh.mean(axis=0) - last
    along /= np.linalg.norm(along)
    straight = (last - before) / np.linalg.norm(last - before)
    along = along + 0.5 * straight
    along /= np.linalg.norm(along)
    return np.asarray(last + along * (((flesh - last) @ along).max() * FINGERTIP))


def rotate_hand(
    frame: HandFrame, pose: Pose, lengths: Floats | None = None, side: str = "R"
) -> dict[str, Floats]:
    """Return the rotations (3, 3) of wrist and fingers that form a pose (25,), as `pose_body` takes them.

    lengths: (5,) of thumb and fingers, 1 for an adult's. A left hand forms the mirror image.
    """
    lengths = np.ones(5) if lengths is None else lengths
    angles = np.radians(pose)
    flexions = angles[:16].reshape(4, 4)[:, 1:]
    flexions -= EASED * (flexions - np.radians(EASED_FROM_DEG)).clip(0)
    mirror = np.diag([1.0 if side == "R" else -1.0, 1, 1])
    to_viewer = mirror @ rotation(*pose[22:])
    from_rest = frame.axes @ mirror
    rotations = {f"wrist.{side}": to_viewer @ from_rest}
    for finger in range(5):
        if finger == 0:
            turned = rotate_thumb(frame.bones[0], angles[16:22].reshape(3, 2))
        else:
            bend = angles[4 * finger - 4 : 4 * finger]
            turned = rotate_finger(frame.bones[finger], bend, float(frame.knuckles_x[finger]))
        stretch = (STRETCH if finger else 1.0) * lengths[finger] - 1
        for name, turn, bone in zip(finger_bones(finger, side), turned, frame.bones[finger], strict=True):
            along = bone / np.linalg.norm(bone)
            longer = np.eye(3) + stretch * np.outer(along, along)
            rotations[name] = to_viewer @ turn @ longer @ from_rest
    return rotations
