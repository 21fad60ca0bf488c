"""A hand of flesh: a mesh that the joint angles of `edge.synthetic.poses` move.

`right.glb` is the generic hand of @webxr-input-profiles/assets 1.0.20 (MIT), unchanged: a right hand's skin,
each corner of which follows up to four of 25 joints (linear blend skinning). A forearm is grown from its open
wrist. Everything here is in the hand's own frame and units (`edge.synthetic.poses`): x to the thumb's side, y
up, z out of the palm, 1 from wrist to middle knuckle.
"""

import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.synthetic.poses import Joints, Pose, rotation

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FILE = Path(__file__).parent / "right.glb"
BONES = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
CHAINS = (  # thumb, index, middle, ring, little: from the joint where each begins to its tip
    tuple(f"thumb-{bone}" for bone in ("metacarpal", "phalanx-proximal", "phalanx-distal", "tip")),
    *(tuple(f"{name}-finger-{bone}" for bone in BONES) for name in ("index", "middle", "ring", "pinky")),
)
TIP_WITHIN = 0.85  # where the point of a fingertip lies, of the way from the last joint to the flesh's end
# Folded fingers lean together, as on a hand they do (towards the wrist's middle): radians for each unit that
# a knuckle lies beside it, at a right angle of its flexion.
LEAN, LEAN_TO, RIGHT_ANGLE = 0.35, 0.03, np.pi / 2
RINGS, RING_STEP, RING_GROWS = 8, 0.45, 0.05  # of the forearm: how many, how far apart, how much wider
BENT_OVER = 1.2  # the wrist's bend is spread over so much of the forearm

COMPONENTS: dict[int, Any] = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}  # glTF 2.0, section 3.6.2.2
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True, eq=False)
class HandMesh:
    """The hand at rest, fingers stretched."""

    corners: Floats  # (V, 3)
    normals: Floats  # (V, 3)
    faces: Integers  # (F, 3), anticlockwise seen from outside
    weights: Floats  # (V, J) how much a corner follows each joint
    joints: Floats  # (J, 3)
    chains: Integers  # (5, 4) which of them, by CHAINS
    wrist: int  # which of them
    ring: Integers  # (V,) of the forearm, from 1; 0 is the hand itself


@cache
def hand_mesh() -> HandMesh:
    """The one of FILE, with a forearm."""
    document, arrays = _read_glb(FILE)
    primitive = document["meshes"][0]["primitives"][0]
    skin = document["skins"][0]
    names = [document["nodes"][node]["name"] for node in skin["joints"]]
    inverses = arrays(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    at_rest = np.linalg.inv(inverses)[:, :3, 3]
    chains = np.array([[names.index(name) for name in chain] for chain in CHAINS])
    wrist = names.index("wrist")

    origin, middle = at_rest[wrist], at_rest[chains[2, 0]]
    unit = float(np.linalg.norm(middle - origin))
    up = (middle - origin) / unit
    across = at_rest[chains[1, 0]] - at_rest[chains[4, 0]]
    across = across - (across @ up) * up
    across /= np.linalg.norm(across)
    frame = np.stack([across, up, np.cross(across, up)])
    corners = (arrays(primitive["attributes"]["POSITION"]) - origin) @ frame.T / unit
    joints = (at_rest - origin) @ frame.T / unit

    weights = np.zeros((len(corners), len(names)))
    whose, how_much = (arrays(primitive["attributes"][name]) for name in ("JOINTS_0", "WEIGHTS_0"))
    for joint, weight in zip(whose.T.astype(int), how_much.T, strict=True):
        weights[np.arange(len(corners)), joint] += weight
    weights /= weights.sum(axis=1, keepdims=True)

    # corners that differ in their texture alone are one
    _, first, same = np.unique(np.round(corners, 4), axis=0, return_index=True, return_inverse=True)
    corners, weights = corners[first], weights[first]
    faces = same.reshape(-1)[arrays(primitive["indices"]).reshape(-1, 3).astype(int)]
    faces = _open_wrist(corners, faces)
    kept, faces = np.unique(faces, return_inverse=True)
    corners, weights, faces = corners[kept], weights[kept], faces.reshape(-1, 3)
    corners, faces, ring = _with_forearm(corners, faces)
    of_arm = np.zeros((len(corners) - len(weights), len(names)))
    of_arm[:, wrist] = 1
    weights = np.concatenate([weights, of_arm])
    for chain in chains:
        joints[chain[3]] = _fingertip(corners, weights, joints, chain)
    return HandMesh(corners, normals_of(corners, faces), faces, weights, joints, chains, wrist, ring)


def pose_hand(
    pose: Pose, lengths: Floats, flesh: float = 0.0, wrist_rad: tuple[float, float] = (0.0, 0.0)
) -> tuple[Floats, Joints]:
    """(25,) degrees as of `make_pose` -> corners (V, 3) and joints (21, 3), turned to the viewer.

    lengths: (5,) scales thumb and fingers, thumb first; flesh: how far the skin lies outside that of the
    mesh; wrist_rad: how far the forearm is bent to the thumb's side, and to the palm's.
    """
    mesh, angles = hand_mesh(), np.radians(pose)
    turns = np.tile(np.eye(3), (len(mesh.joints), 1, 1))
    moved = mesh.joints.copy()
    for finger, chain in enumerate(mesh.chains):
        bones = np.diff(mesh.joints[chain], axis=0)
        of_bones = (
            _thumb(bones, angles[16:22].reshape(3, 2))
            if finger == 0
            else _finger(bones, angles[4 * finger - 4 : 4 * finger], float(mesh.joints[chain[0], 0]))
        )
        of_bones *= lengths[finger]
        for bone, turn in enumerate(of_bones):
            turns[chain[bone]] = turn
            moved[chain[bone + 1]] = moved[chain[bone]] + turn @ bones[bone]
        turns[chain[3]] = of_bones[2]
    corners = _bent(mesh, *wrist_rad) + mesh.normals * flesh
    offsets = moved - np.einsum("jab,jb->ja", turns, mesh.joints)
    of_corners = (mesh.weights @ turns.reshape(-1, 9)).reshape(-1, 3, 3)
    placed = np.einsum("vab,vb->va", of_corners, corners) + mesh.weights @ offsets
    seen = rotation(*pose[22:]).T
    named = np.concatenate([moved[[mesh.wrist]], moved[mesh.chains].reshape(-1, 3)])
    return placed @ seen, named @ seen


def normals_of(corners: Floats, faces: Integers) -> Floats:
    """(V, 3) of length 1: each the mean of its faces', weighted by their areas."""
    a, b, c = (corners[faces[:, k]] for k in range(3))
    of_faces = np.cross(b - a, c - a)
    at = faces.ravel()
    sums = [np.bincount(at, np.repeat(of_faces[:, axis], 3), minlength=len(corners)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9))


def _finger(bones: Floats, angles: Floats, beside: float) -> Floats:
    """(3, 3) bones at rest, and spread and three flexions -> (3, 3, 3) how each bone is turned."""
    flexions = np.cumsum(angles[1:])
    lean = LEAN * (beside - LEAN_TO) * float(np.clip(angles[1] / RIGHT_ANGLE, 0, 1))
    turns = []
    for bone, flexion in zip(bones, flexions, strict=True):
        x, y, z = bone / np.linalg.norm(bone)
        at_rest = _bone_frame(np.arctan2(x, y), np.arcsin(z))
        turns.append(_bone_frame(angles[0] - lean, flexion) @ at_rest.T)
    return np.stack(turns)


def _bone_frame(spread: float, flexion: float) -> Floats:
    """(3, 3) columns: the axis a finger bends about, the bone's direction, its palm side."""
    axis = np.array([np.cos(spread), -np.sin(spread), 0.0])
    reach = np.cos(flexion)
    along = np.array([np.sin(spread) * reach, np.cos(spread) * reach, np.sin(flexion)])
    return np.stack([axis, along, np.cross(axis, along)], axis=1)


def _thumb(bones: Floats, angles: Floats) -> Floats:
    """(3, 3) bones at rest, and (3, 2) azimuth and elevation -> (3, 3, 3) how each is turned, the least way
    from where the bone before has taken it."""
    turns, turn = [], np.eye(3)
    for bone, (azimuth, elevation) in zip(bones, angles, strict=True):
        flat = np.cos(elevation)
        wanted = np.array([np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)])
        turn = _least_turn(turn @ bone / np.linalg.norm(bone), wanted) @ turn
        turns.append(turn)
    return np.stack(turns)


def _least_turn(a: Floats, b: Floats) -> Floats:
    """(3, 3) that takes direction a to direction b (Rodrigues); not for opposite ones."""
    x, y, z = np.cross(a, b)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + k + k @ k / (1 + a @ b + 1e-9))


def _bent(mesh: HandMesh, sideways_rad: float, flexed_rad: float) -> Floats:
    """Corners at rest, the forearm bent away below the wrist."""
    middle = mesh.corners[mesh.ring == 0].min(axis=0) * [0, 1, 0]
    share = np.clip(mesh.ring * RING_STEP / BENT_OVER, 0, 1)
    x, y, z = (mesh.corners - middle).T
    flexed, sideways = flexed_rad * share, sideways_rad * share
    y, z = y * np.cos(flexed) + z * np.sin(flexed), z * np.cos(flexed) - y * np.sin(flexed)
    x, y = x * np.cos(sideways) - y * np.sin(sideways), x * np.sin(sideways) + y * np.cos(sideways)
    return np.column_stack([x, y, z]) + middle


def _open_wrist(corners: Floats, faces: Integers) -> Integers:
    """Without the lid that closes the wrist."""
    a, b, c = (corners[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    size = np.linalg.norm(normal, axis=1)
    lid = (corners[faces][:, :, 1].max(axis=1) < -0.1) & (normal[:, 1] < -0.6 * size)
    return np.asarray(faces[(size > 0) & ~lid])


def _with_forearm(corners: Floats, faces: Integers) -> tuple[Floats, Integers, Integers]:
    """Rings of faces below the wrist's open edge; and which ring each corner belongs to."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    both_ways = {(a, b) for a, b in edges}
    after = {a: b for a, b in edges if (b, a) not in both_ways}
    edge = [min(after)]
    while after[edge[-1]] != edge[0]:
        edge.append(after[edge[-1]])
    rim = corners[edge]
    middle, n = rim.mean(axis=0), len(corners)
    above, rings, more = np.array(edge), [], []
    for k in range(1, RINGS + 1):
        rings.append((rim - middle) * (1 + RING_GROWS * k) + middle - [0, RING_STEP * k, 0])
        below = n + (k - 1) * len(edge) + np.arange(len(edge))
        a, b, c, d = above, np.roll(above, -1), below, np.roll(below, -1)
        more += [np.stack([b, a, c], 1), np.stack([b, c, d], 1)]
        above = below
    ring = np.concatenate([np.zeros(n, np.int64), np.repeat(np.arange(1, RINGS + 1), len(edge))])
    return np.concatenate([corners, *rings]), np.concatenate([faces, *more]), ring


def _fingertip(corners: Floats, weights: Floats, joints: Floats, chain: Integers) -> Floats:
    """(3,) where the flesh ends: the mesh's own joint of that name lies well inside it."""
    last, tip = joints[chain[2]], joints[chain[3]]
    along = (tip - last) / np.linalg.norm(tip - last)
    mine = weights[:, chain[2:]].sum(axis=1) > 0.6
    return np.asarray(last + along * (((corners[mine] - last) @ along).max() * TIP_WITHIN))


def _read_glb(path: Path) -> tuple[dict[str, Any], Any]:
    """The JSON of a binary glTF file, and what reads one of its arrays (glTF 2.0, sections 4 and 3.6)."""
    data = path.read_bytes()
    (json_bytes,) = struct.unpack_from("<I", data, 12)
    document: dict[str, Any] = json.loads(data[20 : 20 + json_bytes])
    start = 20 + json_bytes + 8

    def array(number: int) -> npt.NDArray[Any]:
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        width, dtype = WIDTHS[accessor["type"]], COMPONENTS[accessor["componentType"]]
        at = start + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        flat = np.frombuffer(data, dtype, accessor["count"] * width, at)
        return flat.reshape(-1, width).astype(np.float64 if dtype is np.float32 else np.int64)

    return document, array
