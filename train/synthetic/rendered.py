"""Rendered hands for training: a mesh of flesh that forms a letter, in a room, with its 21 points.

Beside the signer of `train.synthetic.drawn`, whose hand is painted of simple solids and drawn in a moment on
a small board, these take time and look like hands. They are no photographs either.
"""

import numpy as np

from edge.records import Image
from edge.synthetic.painter import random_appearance
from edge.synthetic.poses import rotation
from train.synthetic.drawn import OVERSAMPLING, Drawn, finished, placed, stretched, vary
from train.synthetic.hold import bent_wrist, seen_from
from train.synthetic.mesh import pose_hand
from train.synthetic.mesh_painter import Light, paint_mesh
from train.synthetic.mesh_poses import posed_letter

FLESH = (-0.02, 0.06)  # how far people's skin lies outside that of the mesh, which is a slim hand's


def render_hand(
    rng: np.random.Generator,
    letter: str | None,
    size_px: int,
    *,
    background: Image,
    hand_fraction: tuple[float, float],
) -> Drawn:
    """A letter (None: a hand that signs none) -> a picture of it; arguments as those of `draw_hand`."""
    side = size_px * OVERSAMPLING
    canvas = stretched(background, side)
    look, light, sleeve_from = random_appearance(rng), _random_light(rng), int(rng.integers(1, 5))
    mirrored = bool(rng.random() < 0.5)
    lengths = rng.normal(1, 0.06, 5) * rng.normal(1, 0.05)
    pose = vary(rng, posed_letter(rng, letter))
    corners, joints = pose_hand(pose, lengths, float(rng.uniform(*FLESH)), bent_wrist(rng, pose))
    seen = rotation(*seen_from(rng, letter)).T
    corners, joints = corners @ seen, joints @ seen
    unit_px, offset_px = placed(rng, joints, side, hand_fraction)
    centre_px = side / 2 + offset_px
    points = paint_mesh(canvas, corners, joints, unit_px, centre_px, look, light, mirrored, sleeve_from)
    return finished(rng, canvas, points, letter)


def _random_light(rng: np.random.Generator) -> Light:
    return Light(
        around=float(rng.uniform(0.35, 0.8)),
        lamp=float(rng.uniform(0.4, 0.9)),
        wrap=float(rng.uniform(0.1, 0.5)),
        shadow=float(rng.uniform(0.3, 0.8)),
        gloss=float(rng.uniform(0, 0.2)),
    )
