"""Rendered hands for training: a mesh of flesh that forms a letter before a background, with 21 landmarks.

They take longer to make than the painted hands of `train.synthetic.drawn` and look more like hands. Neither
are photographs.
"""

import numpy as np

from edge.records import Image
from edge.synthetic.painter import random_appearance
from edge.synthetic.poses import rotation
from train.synthetic.drawn import OVERSAMPLING, Drawn, finish, place, stretch, vary
from train.synthetic.hold import draw_camera, draw_wrist_bend
from train.synthetic.mesh_painter import Light, paint_mesh
from train.synthetic.mesh_poses import draw_mesh_pose
from train.synthetic.pose_mesh import pose_hand

FLESH = (-0.02, 0.06)  # distance of people's skin outside that of the mesh, which is a slim hand's


def render_hand(
    rng: np.random.Generator,
    letter: str | None,
    size_px: int,
    *,
    background: Image,
    hand_fraction: tuple[float, float],
) -> Drawn:
    """Render a letter, or a hand that signs none; the arguments are those of `draw_hand`."""
    side = size_px * OVERSAMPLING
    canvas = stretch(background, side)
    appearance, light, sleeve_from = random_appearance(rng), _draw_light(rng), int(rng.integers(1, 5))
    mirrored = bool(rng.random() < 0.5)
    lengths = rng.normal(1, 0.06, 5) * rng.normal(1, 0.05)
    pose = vary(rng, draw_mesh_pose(rng, letter))
    vertices, joints = pose_hand(pose, lengths, float(rng.uniform(*FLESH)), draw_wrist_bend(rng, pose))
    to_camera = rotation(*draw_camera(rng, letter)).T
    vertices, joints = vertices @ to_camera, joints @ to_camera
    unit_px, offset_px = place(rng, joints, side, hand_fraction)
    centre_px = side / 2 + offset_px
    landmarks = paint_mesh(
        canvas, vertices, joints, unit_px, centre_px, appearance, light, mirrored, sleeve_from
    )
    return finish(rng, canvas, landmarks, letter)


def _draw_light(rng: np.random.Generator) -> Light:
    return Light(
        ambient=float(rng.uniform(0.35, 0.8)),
        lamp=float(rng.uniform(0.4, 0.9)),
        wrap=float(rng.uniform(0.1, 0.5)),
        shadow=float(rng.uniform(0.3, 0.8)),
        gloss=float(rng.uniform(0, 0.2)),
    )
