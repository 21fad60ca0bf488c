"""Paints the posed mesh: which face each pixel shows, then light, shadow and skin for all pixels at once."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Image
from edge.synthetic.painter import NAIL_RGB, Appearance
from edge.synthetic.poses import Joints
from train.synthetic.mesh import Floats, hand_mesh, normals_of

SHIFT = 4  # OpenCV's fixed point: 1/16 px
VIEWER = 8.0  # hand lengths away
BEHIND = -2.0  # how far away the background counts, in hand lengths
PALM_RGB = np.array([18.0, 4.0, 2.0])  # a palm is so much redder than the back of its hand
PALM_LIGHTER = 0.55  # and on the darkest skin so much lighter
# Where flesh lies near in front, less of the surroundings' light comes in: reach in hand lengths, strength.
HOLLOWS = ((0.10, 4.8), (0.25, 2.7))
SHADOWS = (0.08, 0.18, 0.32)  # how far towards the light something may stand that throws one, hand lengths
SMALL = 4  # what is soft is computed at a quarter of the side

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """Of the room, beside the lamp's direction (`Appearance.light_xy`)."""

    around: float = 0.5  # from everywhere, 0..1
    lamp: float = 0.7  # 0..1
    wrap: float = 0.3  # how far round the lamp's light reaches: 0 is a point, 0.5 a window
    shadow: float = 0.6  # how dark what it does not reach is, 0..1
    gloss: float = 0.1  # of the skin, 0..1


def paint_mesh(
    canvas: Image,
    corners: Floats,
    joints: Joints,
    unit_px: float,
    centre_px: Floats,
    look: Appearance,
    light: Light,
    mirrored: bool = False,
    sleeve_from: int = 2,
) -> Floats:
    """Paint the hand into canvas (S, S, 3), the box of its joints centred on centre_px -> (21, 2) px of them.

    corners and joints as of `pose_hand`; unit_px: wrist to middle knuckle; sleeve_from: ring of the forearm.
    """
    mesh, side = hand_mesh(), canvas.shape[0]
    scale = np.array([-unit_px if mirrored else unit_px, -unit_px])
    points = joints[:, :2] / (1 - joints[:, 2:] / VIEWER) * scale
    move = centre_px - (points.min(axis=0) + points.max(axis=0)) / 2
    flat = corners[:, :2] / (1 - corners[:, 2:] / VIEWER) * scale + move
    shown, y, x = _faces_seen(flat, corners[:, 2], side, mirrored)
    if len(shown) == 0:
        return np.asarray(points + move)

    normals = normals_of(corners, mesh.faces)
    if mirrored:
        normals = normals * [-1, 1, 1]
    faces = mesh.faces[shown]
    share = _shares(flat, faces, x, y)
    seen = np.column_stack([normals, corners[:, 2], skin_colours(look)]).astype(np.float32)
    seen = sum(share[:, k, None] * seen[faces[:, k]] for k in range(3))  # type: ignore[assignment]
    normal = seen[:, :3] / np.linalg.norm(seen[:, :3], axis=1, keepdims=True).clip(1e-6)
    depth, colour = seen[:, 3], seen[:, 4:]
    if look.sleeve_rgb is not None:
        colour[mesh.ring[faces].min(axis=1) >= sleeve_from] = look.sleeve_rgb

    lit = _lit(normal, depth, y, x, side, unit_px, look, light)
    canvas[y, x] = (colour * lit[:, :1] + 255 * lit[:, 1:]).clip(0, 255).astype(np.uint8)
    return np.asarray(points + move)


def skin_colours(look: Appearance) -> Floats:
    """(V, 3) RGB: palms are lighter and redder than backs, fingertips redder, nails paler."""
    mesh, skin = hand_mesh(), look.skin_rgb
    dark = 1 - float(skin.mean()) / 255
    palm = skin * (1 + PALM_LIGHTER * dark**2) + PALM_RGB * (1 - dark / 2)
    inside = np.clip((mesh.normals[:, 2:] + 0.1) / 0.6, 0, 1)
    colours = skin + (palm - skin) * inside
    tips = mesh.weights[:, mesh.chains[:, 3]].sum(axis=1, keepdims=True)
    colours = colours * (1 + np.array([0.04, -0.04, -0.03]) * tips)
    nail = np.minimum(skin * 0.75 + NAIL_RGB, 255)
    return np.asarray(colours + (nail - colours) * look.relief * _nails()[:, None])


@cache
def _nails() -> Floats:
    """(V,) how much of a nail each corner is, 0..1."""
    mesh = hand_mesh()
    most = np.zeros(len(mesh.corners))
    for finger, chain in enumerate(mesh.chains):
        last = mesh.joints[chain[3]] - mesh.joints[chain[2]]
        along = (mesh.corners - mesh.joints[chain[2]]) @ last / (last @ last)
        mine = (mesh.weights[:, chain[2:]].sum(axis=1) > 0.5) & (along > 0.45)
        back = np.array([0.79, -0.37, -0.48]) if finger == 0 else np.array([0.0, 0.0, -1.0])
        most = np.maximum(most, np.clip((mesh.normals @ back - 0.55) / 0.25, 0, 1) * mine)
    return most


def _faces_seen(
    flat: Floats, depth: Floats, side: int, mirrored: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(N,) the face that each pixel of the hand shows, and its y and x: painted from far to near."""
    faces = hand_mesh().faces
    corners = flat[faces]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    turned = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # y is down: what faces the viewer turns clockwise
    facing = np.flatnonzero(turned > 0 if mirrored else turned < 0)
    order = facing[np.argsort(depth[faces[facing]].mean(axis=1))]
    shown = np.full((side, side), -1, np.int32)
    outlines = np.round(corners * (1 << SHIFT)).astype(np.int32)
    for face in order.tolist():
        cv2.fillConvexPoly(shown, outlines[face], face, cv2.LINE_8, SHIFT)
    y, x = np.nonzero(shown >= 0)
    return shown[y, x], y, x


def _shares(
    flat: Floats, faces: npt.NDArray[np.int64], x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]
) -> Pixels:
    """(N, 3) how much each corner of its face counts at a pixel."""
    corner = flat.astype(np.float32)[faces]
    a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    at = np.stack([x, y], axis=1).astype(np.float32) - corner[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    second = (at[:, 0] * b[:, 1] - at[:, 1] * b[:, 0]) / area
    third = (a[:, 0] * at[:, 1] - a[:, 1] * at[:, 0]) / area
    shares = np.stack([1 - second - third, second, third], axis=1).clip(0, 1)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _lit(
    normal: Pixels,
    depth: Pixels,
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    side: int,
    unit_px: float,
    look: Appearance,
    light: Light,
) -> Pixels:
    """(N, 2) what a pixel's colour is multiplied by, and how much white is added."""
    lx, ly = look.light_xy
    lamp = np.array([lx, -ly, np.sqrt(max(0.05, 1 - lx * lx - ly * ly))], np.float32)
    lamp /= np.linalg.norm(lamp)
    hand, near = np.zeros((2, side, side), np.float32)
    hand[y, x], near[y, x] = 1, depth
    hand, near, unit = _smaller(hand), _smaller(near), unit_px / SMALL
    small = np.where(hand > 0, near / hand.clip(1e-3), BEHIND)
    hollow = np.ones(len(depth), np.float32)
    for reach, strength in HOLLOWS:
        sigma = max(0.8, reach * unit)
        mean = cv2.GaussianBlur(near, (0, 0), sigma) / cv2.GaussianBlur(hand, (0, 0), sigma).clip(1e-3)
        nearer = cv2.resize(mean, (side, side))[y, x] - depth
        hollow /= 1 + strength * look.relief * np.clip(nearer - 0.01, 0, 1)
    shadow = np.zeros_like(small)
    for away in SHADOWS:
        shift = np.array([[1, 0, -away * unit * lamp[0]], [0, 1, away * unit * lamp[1]]], np.float32)
        there = cv2.warpAffine(small, shift, small.shape[::-1], borderValue=BEHIND)
        shadow = np.maximum(shadow, ((there - small - away * max(0.3, lamp[2]) - 0.03) / 0.08).clip(0, 1))
    shadow = cv2.resize(cv2.GaussianBlur(shadow, (0, 0), max(0.6, 0.03 * unit)), (side, side))[y, x]
    from_lamp = ((normal @ lamp + light.wrap) / (1 + light.wrap)).clip(0, 1) * (1 - light.shadow * shadow)
    # a rim that turns away is darker, as skin is; from above comes more than from below
    rim = 0.82 + 0.18 * normal[:, 2].clip(0, 1)
    colour = light.around * hollow * (0.65 + 0.15 * normal[:, 1]) + light.lamp * from_lamp * np.sqrt(hollow)
    half = lamp + np.array([0, 0, 1], np.float32)
    white = light.gloss * (normal @ (half / np.linalg.norm(half))).clip(0, 1) ** 16 * (1 - shadow)
    return np.stack([colour * rim, white], axis=1)


def _smaller(plane: Pixels) -> Pixels:
    height, width = plane.shape
    size = (-(-width // SMALL), -(-height // SMALL))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
