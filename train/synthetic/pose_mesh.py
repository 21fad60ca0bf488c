"""Pose the mesh of a hand by the joint angles of `edge.synthetic.poses`."""

import numpy as np

from edge.synthetic.poses import Joints, Pose, rotation
from train.synthetic.mesh import Floats, HandMesh, bend_forearm, load_hand_mesh

# Folded fingers lean together towards the wrist's middle, as on a real hand: radians at a flexion of
# RIGHT_ANGLE for each unit between the knuckle and LEAN_TO.
LEAN, LEAN_TO, RIGHT_ANGLE = 0.35, 0.03, np.pi / 2


def pose_hand(
    pose: Pose, lengths: Floats, flesh: float = 0.0, wrist_rad: tuple[float, float] = (0.0, 0.0)
) -> tuple[Floats, Joints]:
    """Return vertices (V, 3) and joints (21, 3) of a pose (25,), rotated towards the viewer.

    lengths: (5,) scales of thumb and fingers, thumb first. flesh: distance of the skin outside the mesh's.
    wrist_rad: bend of the forearm to the thumb's side and to the palm.
    """
    mesh, angles = load_hand_mesh(), np.radians(pose)
    rotations = np.tile(np.eye(3), (len(mesh.joints), 1, 1))
    moved = mesh.joints.copy()
    for finger, chain in enumerate(mesh.chains):
        bones = np.diff(mesh.joints[chain], axis=0)
        bone_rotations = _rotate_bones(mesh, finger, bones, angles) * lengths[finger]
        for bone, rotated in enumerate(bone_rotations):
            rotations[chain[bone]] = rotated
            moved[chain[bone + 1]] = moved[chain[bone]] + rotated @ bones[bone]
        rotations[chain[3]] = bone_rotations[2]
    vertices = bend_forearm(mesh, *wrist_rad) + mesh.normals * flesh
    offsets = moved - np.einsum("jab,jb->ja", rotations, mesh.joints)
    blended = (mesh.weights @ rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    placed = np.einsum("vab,vb->va", blended, vertices) + mesh.weights @ offsets
    to_viewer = rotation(*pose[22:]).T
    joints = np.concatenate([moved[[mesh.wrist]], moved[mesh.chains].reshape(-1, 3)])
    return placed @ to_viewer, joints @ to_viewer


def _rotate_bones(mesh: HandMesh, finger: int, bones: Floats, angles: Floats) -> Floats:
    """Return (3, 3, 3), the rotation of each bone of a finger; finger 0 is the thumb."""
    if finger == 0:
        return rotate_thumb(bones, angles[16:22].reshape(3, 2))
    knuckle_x = float(mesh.joints[mesh.chains[finger][0], 0])
    return rotate_finger(bones, angles[4 * finger - 4 : 4 * finger], knuckle_x)


def rotate_finger(bones: Floats, angles: Floats, knuckle_x: float) -> Floats:
    """Rotate bones at rest (3, 3) by a spread and three flexions."""
    flexions = np.cumsum(angles[1:])
    lean = LEAN * (knuckle_x - LEAN_TO) * float(np.clip(angles[1] / RIGHT_ANGLE, 0, 1))
    rotations = []
    for bone, flexion in zip(bones, flexions, strict=True):
        x, y, z = bone / np.linalg.norm(bone)
        at_rest = _bone_frame(np.arctan2(x, y), np.arcsin(z))
        rotations.append(_bone_frame(angles[0] - lean, flexion) @ at_rest.T)
    return np.stack(rotations)


def _bone_frame(spread: float, flexion: float) -> Floats:
    """Return (3, 3) columns: the axis that a finger bends about, the bone's direction, its palm side."""
    axis = np.array([np.cos(spread), -np.sin(spread), 0.0])
    reach = np.cos(flexion)
    along = np.array([np.sin(spread) * reach, np.cos(spread) * reach, np.sin(flexion)])
    return np.stack([axis, along, np.cross(axis, along)], axis=1)


def rotate_thumb(bones: Floats, angles: Floats) -> Floats:
    """Rotate bones at rest (3, 3) to azimuths and elevations (3, 2).

    Each takes the shortest rotation from where the bone before it has taken it.
    """
    rotations, rotated = [], np.eye(3)
    for bone, (azimuth, elevation) in zip(bones, angles, strict=True):
        flat = np.cos(elevation)
        target = np.array([np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)])
        rotated = shortest_rotation(rotated @ bone / np.linalg.norm(bone), target) @ rotated
        rotations.append(rotated)
    return np.stack(rotations)


def shortest_rotation(a: Floats, b: Floats) -> Floats:
    """Return (3, 3) that rotates direction a to direction b (Rodrigues); a and b must not be opposite."""
    x, y, z = np.cross(a, b)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + k + k @ k / (1 + a @ b + 1e-9))
