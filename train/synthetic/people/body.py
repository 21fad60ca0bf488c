"""A person's body: its shape, and its mesh in any pose.

The mesh is Anny's (anny 0.6, NAVER, Apache-2.0; its data come from MakeHuman, CC0), a parametric human of all
ages and builds. Coordinates in metres as the viewer sees the person: x right, y up, z to the viewer.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FROM_ANNY = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # x right, y back, z up -> x right, y up, z front
CACHE = Path("build/anny")  # Anny computes its data once, which takes a minute


@dataclass(frozen=True, eq=False)
class Rig:
    """What all bodies share."""

    model: Any  # anny.Anny
    bones: list[str]
    parents: list[int]  # of each bone; a parent comes before its children
    faces: Integers  # (F, 3)
    weight_bones: Integers  # (V, 9) bones that a vertex follows
    weights: Floats  # (V, 9) how much it follows each
    dominant: Integers  # (V,) the bone that it follows most

    def bone(self, name: str) -> int:
        """Return the number of a bone."""
        return self.bones.index(name)

    def vertices_of(self, *prefixes: str) -> npt.NDArray[np.bool_]:
        """Return (V,) which vertices follow a bone with such a name most."""
        named = [name.startswith(prefixes) for name in self.bones]
        return np.asarray(np.array(named)[self.dominant])


@dataclass(frozen=True, eq=False)
class Body:
    """One person at rest, arms beside the body."""

    vertices: Floats  # (V, 3)
    joints: Floats  # (B, 3) where each bone begins


@cache
def load_rig() -> Rig:
    """Load Anny. Raises DataError if it is not installed."""
    os.environ.setdefault("ANNY_CACHE_DIR", str(CACHE.absolute()))
    try:
        import anny
        import torch
    except ImportError:
        raise DataError("made people need the package anny: run make venv-people") from None
    model = anny.Anny(pose_parameterization="local-bone", facial_actions="all").to(dtype=torch.float32)
    weights, bones = model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    dominant = bones[np.arange(len(bones)), weights.argmax(axis=1)]
    return Rig(
        model=model,
        bones=list(model.bone_labels),
        parents=[int(parent) for parent in model.bone_parents],
        faces=model.faces.numpy().astype(np.int64),
        weight_bones=bones.astype(np.int64),
        weights=weights.astype(np.float64),
        dominant=dominant.astype(np.int64),
    )


def make_body(shape: Mapping[str, float], expression: Mapping[str, float]) -> Body:
    """Make a person; `shape` and `expression` as Anny's phenotypes and facial actions, 0..1."""
    import torch

    model = load_rig().model
    with torch.inference_mode():
        output = model(pose_parameters=None, phenotype_kwargs=dict(shape), facial_actions=dict(expression))
    vertices, joints = (output[name][0].double().numpy() for name in ("rest_vertices", "rest_bone_heads"))
    return Body(vertices @ FROM_ANNY.T, joints @ FROM_ANNY.T)


def pose_body(body: Body, rotations: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return vertices (V, 3) and joints (B, 3) for rotations (3, 3) of some bones.

    A rotation takes the bone from rest to where the viewer sees it; the other bones follow their parents.
    """
    rig = load_rig()
    turned = np.empty((len(rig.bones), 3, 3))
    joints = body.joints.copy()
    for bone, (name, parent) in enumerate(zip(rig.bones, rig.parents, strict=True)):
        inherited = np.eye(3) if parent < 0 else turned[parent]
        turned[bone] = rotations.get(name, inherited)
        if parent >= 0:
            joints[bone] = joints[parent] + inherited @ (body.joints[bone] - body.joints[parent])
    moved = joints - np.einsum("bij,bj->bi", turned, body.joints)
    blended = np.einsum("vk,vkij->vij", rig.weights, turned[rig.weight_bones])
    offsets = np.einsum("vk,vki->vi", rig.weights, moved[rig.weight_bones])
    return np.einsum("vij,vj->vi", blended, body.vertices) + offsets, joints
