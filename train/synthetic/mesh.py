"""The mesh of a hand at rest, with a forearm.

`right.glb` is the unchanged generic hand of @webxr-input-profiles/assets 1.0.20 (MIT): the skin of a right
hand, each vertex of which follows up to four of 25 joints (linear blend skinning). A forearm is added at its
open wrist. Frame and units are those of `edge.synthetic.poses`: x to the thumb's side, y up, z out of the
palm, 1 from wrist to middle knuckle.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.synthetic.glb import read_glb

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FILE = Path(__file__).parent / "right.glb"
BONES = ("phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
CHAINS = (  # thumb, index, middle, ring, little: from the joint where each begins to its tip
    tuple(f"thumb-{bone}" for bone in ("metacarpal", "phalanx-proximal", "phalanx-distal", "tip")),
    *(tuple(f"{name}-finger-{bone}" for bone in BONES) for name in ("index", "middle", "ring", "pinky")),
)
FINGERTIP = 0.85  # position of a fingertip's landmark between the last joint (0) and the flesh's end (1)
# Of the forearm: number of rings, distance between them, growth of each, and the length of the bend.
RINGS, RING_STEP, RING_GROWTH, BEND_LENGTH = 8, 0.45, 0.05, 1.2


@dataclass(frozen=True, eq=False)
class HandMesh:
    """The hand at rest, fingers stretched."""

    vertices: Floats  # (V, 3)
    normals: Floats  # (V, 3)
    faces: Integers  # (F, 3), anticlockwise seen from outside
    weights: Floats  # (V, J) how much a vertex follows each joint
    joints: Floats  # (J, 3)
    chains: Integers  # (5, 4) joints of thumb and fingers, by CHAINS
    wrist: int  # its joint
    ring: Integers  # (V,) ring of the forearm, from 1; 0 is the hand itself


@cache
def load_hand_mesh() -> HandMesh:
    """Load the mesh of FILE and add a forearm."""
    document, read_array = read_glb(FILE)
    primitive = document["meshes"][0]["primitives"][0]
    skin = document["skins"][0]
    names = [document["nodes"][node]["name"] for node in skin["joints"]]
    inverses = read_array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    joints = np.linalg.inv(inverses)[:, :3, 3]
    chains = np.array([[names.index(name) for name in chain] for chain in CHAINS])
    wrist = names.index("wrist")
    origin = joints[wrist]
    frame, unit = _find_frame(joints, chains, origin)
    vertices = (read_array(primitive["attributes"]["POSITION"]) - origin) @ frame.T / unit
    joints = (joints - origin) @ frame.T / unit

    weights = np.zeros((len(vertices), len(names)))
    followed, amounts = (read_array(primitive["attributes"][name]) for name in ("JOINTS_0", "WEIGHTS_0"))
    for joint, amount in zip(followed.T.astype(int), amounts.T, strict=True):
        weights[np.arange(len(vertices)), joint] += amount
    weights /= weights.sum(axis=1, keepdims=True)

    # vertices that differ only in their texture coordinates are merged
    _, first, index = np.unique(np.round(vertices, 4), axis=0, return_index=True, return_inverse=True)
    vertices, weights = vertices[first], weights[first]
    faces = index.reshape(-1)[read_array(primitive["indices"]).reshape(-1, 3).astype(int)]
    faces = _open_wrist(vertices, faces)
    kept, faces = np.unique(faces, return_inverse=True)
    vertices, weights, faces = vertices[kept], weights[kept], faces.reshape(-1, 3)
    vertices, faces, ring = _add_forearm(vertices, faces)
    forearm_weights = np.zeros((len(vertices) - len(weights), len(names)))
    forearm_weights[:, wrist] = 1
    weights = np.concatenate([weights, forearm_weights])
    for chain in chains:
        joints[chain[3]] = _find_fingertip(vertices, weights, joints, chain)
    return HandMesh(vertices, compute_normals(vertices, faces), faces, weights, joints, chains, wrist, ring)


def compute_normals(vertices: Floats, faces: Integers) -> Floats:
    """Return (V, 3) unit normals, each the mean of its faces' normals weighted by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    at = faces.ravel()
    sums = [
        np.bincount(at, np.repeat(face_normals[:, axis], 3), minlength=len(vertices)) for axis in range(3)
    ]
    normals = np.stack(sums, axis=1)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9))


def bend_forearm(mesh: HandMesh, sideways_rad: float, flexed_rad: float) -> Floats:
    """Return the vertices at rest with the forearm bent below the wrist."""
    middle = mesh.vertices[mesh.ring == 0].min(axis=0) * [0, 1, 0]
    fraction = np.clip(mesh.ring * RING_STEP / BEND_LENGTH, 0, 1)
    x, y, z = (mesh.vertices - middle).T
    flexed, sideways = flexed_rad * fraction, sideways_rad * fraction
    y, z = y * np.cos(flexed) + z * np.sin(flexed), z * np.cos(flexed) - y * np.sin(flexed)
    x, y = x * np.cos(sideways) - y * np.sin(sideways), x * np.sin(sideways) + y * np.cos(sideways)
    return np.asarray(np.column_stack([x, y, z]) + middle)


def _find_frame(joints: Floats, chains: Integers, origin: Floats) -> tuple[Floats, float]:
    """Return the hand's own axes, the rows of (3, 3), and the length from wrist to middle knuckle."""
    middle = joints[chains[2, 0]]
    unit = float(np.linalg.norm(middle - origin))
    up = (middle - origin) / unit
    across = joints[chains[1, 0]] - joints[chains[4, 0]]
    across = across - (across @ up) * up
    across /= np.linalg.norm(across)
    return np.stack([across, up, np.cross(across, up)]), unit


def _open_wrist(vertices: Floats, faces: Integers) -> Integers:
    """Return the faces without the lid that closes the wrist."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    size = np.linalg.norm(normal, axis=1)
    lid = (vertices[faces][:, :, 1].max(axis=1) < -0.1) & (normal[:, 1] < -0.6 * size)
    return np.asarray(faces[(size > 0) & ~lid])


def _add_forearm(vertices: Floats, faces: Integers) -> tuple[Floats, Integers, Integers]:
    """Add rings of faces below the wrist's open edge; also return the ring of each vertex."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    known = {(a, b) for a, b in edges}
    after = {a: b for a, b in edges if (b, a) not in known}
    edge = [min(after)]
    while after[edge[-1]] != edge[0]:
        edge.append(after[edge[-1]])
    rim = vertices[edge]
    middle, n = rim.mean(axis=0), len(vertices)
    above, rings, more = np.array(edge), [], []
    for k in range(1, RINGS + 1):
        rings.append((rim - middle) * (1 + RING_GROWTH * k) + middle - [0, RING_STEP * k, 0])
        below = n + (k - 1) * len(edge) + np.arange(len(edge))
        a, b, c, d = above, np.roll(above, -1), below, np.roll(below, -1)
        more += [np.stack([b, a, c], 1), np.stack([b, c, d], 1)]
        above = below
    ring = np.concatenate([np.zeros(n, np.int64), np.repeat(np.arange(1, RINGS + 1), len(edge))])
    return np.concatenate([vertices, *rings]), np.concatenate([faces, *more]), ring


def _find_fingertip(vertices: Floats, weights: Floats, joints: Floats, chain: Integers) -> Floats:
    """Return (3,) near the end of the flesh; the tip joint of the file lies well inside it."""
    last, tip = joints[chain[2]], joints[chain[3]]
    along = (tip - last) / np.linalg.norm(tip - last)
    mine = weights[:, chain[2:]].sum(axis=1) > 0.6
    return np.asarray(last + along * (((vertices[mine] - last) @ along).max() * FINGERTIP))
