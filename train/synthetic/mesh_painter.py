"""Paint a posed mesh: find the face that each pixel shows, then light and colour all pixels at once."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Image
from edge.synthetic.painter import NAIL_RGB, Appearance
from edge.synthetic.poses import Joints
from train.synthetic.mesh import Floats, compute_normals, load_hand_mesh

SHIFT = 4  # OpenCV's fixed point: 1/16 px
VIEWER_DISTANCE = 8.0  # hand lengths
BACKGROUND_DEPTH = -2.0  # hand lengths
PALM_RGB = np.array([18.0, 4.0, 2.0])  # added to the palm, which is redder than the back
PALM_LIGHTER = 0.55  # fraction by which the palm of the darkest skin is lighter
# Flesh in front blocks some of the surrounding light: reach in hand lengths, and strength.
OCCLUSIONS = ((0.10, 4.8), (0.25, 2.7))
SHADOW_DISTANCES = (0.08, 0.18, 0.32)  # from a shadow to the flesh that casts it, hand lengths
SHADING_SCALE = 4  # soft shading is computed at a quarter of the side

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Light:
    """The light of a room; the lamp's direction is `Appearance.light_xy`."""

    ambient: float = 0.5  # from every direction, 0..1
    lamp: float = 0.7  # 0..1
    wrap: float = 0.3  # how far around the hand the lamp reaches: 0 for a point, 0.5 for a window
    shadow: float = 0.6  # darkness of its shadows, 0..1
    gloss: float = 0.1  # of the skin, 0..1


def paint_mesh(
    canvas: Image,
    vertices: Floats,
    joints: Joints,
    unit_px: float,
    centre_px: Floats,
    appearance: Appearance,
    light: Light,
    mirrored: bool = False,
    sleeve_from: int = 2,
) -> Floats:
    """Paint the hand into canvas (S, S, 3), its joints centred on centre_px; return the landmarks (21, 2) px.

    vertices and joints: from `pose_hand`. unit_px: from wrist to middle knuckle. sleeve_from: first ring of
    the forearm under a sleeve.
    """
    mesh, side = load_hand_mesh(), canvas.shape[0]
    scale = np.array([-unit_px if mirrored else unit_px, -unit_px])
    landmarks = joints[:, :2] / (1 - joints[:, 2:] / VIEWER_DISTANCE) * scale
    move = centre_px - (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2
    flat = vertices[:, :2] / (1 - vertices[:, 2:] / VIEWER_DISTANCE) * scale + move
    visible, y, x = _find_visible_faces(flat, vertices[:, 2], side, mirrored)
    if len(visible) == 0:
        return np.asarray(landmarks + move)

    normals = compute_normals(vertices, mesh.faces)
    if mirrored:
        normals = normals * [-1, 1, 1]
    faces = mesh.faces[visible]
    weights = _barycentric(flat, faces, x, y)
    values = np.column_stack([normals, vertices[:, 2], colour_skin(appearance)]).astype(np.float32)
    pixels = np.asarray(sum(weights[:, k, None] * values[faces[:, k]] for k in range(3)))
    normal = pixels[:, :3] / np.linalg.norm(pixels[:, :3], axis=1, keepdims=True).clip(1e-6)
    depth, colour = pixels[:, 3], pixels[:, 4:]
    if appearance.sleeve_rgb is not None:
        colour[mesh.ring[faces].min(axis=1) >= sleeve_from] = appearance.sleeve_rgb

    shading = _shade(normal, depth, y, x, side, unit_px, appearance, light)
    canvas[y, x] = (colour * shading[:, :1] + 255 * shading[:, 1:]).clip(0, 255).astype(np.uint8)
    return np.asarray(landmarks + move)


def colour_skin(appearance: Appearance) -> Floats:
    """Return (V, 3) RGB: palms are lighter and redder than backs, fingertips redder, nails paler."""
    mesh, skin = load_hand_mesh(), appearance.skin_rgb
    dark = 1 - float(skin.mean()) / 255
    palm = skin * (1 + PALM_LIGHTER * dark**2) + PALM_RGB * (1 - dark / 2)
    inside = np.clip((mesh.normals[:, 2:] + 0.1) / 0.6, 0, 1)
    colours = skin + (palm - skin) * inside
    tips = mesh.weights[:, mesh.chains[:, 3]].sum(axis=1, keepdims=True)
    colours = colours * (1 + np.array([0.04, -0.04, -0.03]) * tips)
    nail = np.minimum(skin * 0.75 + NAIL_RGB, 255)
    return np.asarray(colours + (nail - colours) * appearance.relief * _find_nails()[:, None])


@cache
def _find_nails() -> Floats:
    """Return (V,) how much of each vertex is nail, 0..1."""
    mesh = load_hand_mesh()
    most = np.zeros(len(mesh.vertices))
    for finger, chain in enumerate(mesh.chains):
        last = mesh.joints[chain[3]] - mesh.joints[chain[2]]
        along = (mesh.vertices - mesh.joints[chain[2]]) @ last / (last @ last)
        mine = (mesh.weights[:, chain[2:]].sum(axis=1) > 0.5) & (along > 0.45)
        back = np.array([0.79, -0.37, -0.48]) if finger == 0 else np.array([0.0, 0.0, -1.0])
        most = np.maximum(most, np.clip((mesh.normals @ back - 0.55) / 0.25, 0, 1) * mine)
    return most


def _find_visible_faces(
    flat: Floats, depth: Floats, side: int, mirrored: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (N,) the face that each pixel of the hand shows, and the pixel's y and x.

    Faces are painted from far to near.
    """
    faces = load_hand_mesh().faces
    vertices = flat[faces]
    a, b = vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # y is down, so faces towards the viewer are clockwise
    facing = np.flatnonzero(area > 0 if mirrored else area < 0)
    order = facing[np.argsort(depth[faces[facing]].mean(axis=1))]
    shown = np.full((side, side), -1, np.int32)
    outlines = np.round(vertices * (1 << SHIFT)).astype(np.int32)
    for face in order.tolist():
        cv2.fillConvexPoly(shown, outlines[face], face, cv2.LINE_8, SHIFT)
    y, x = np.nonzero(shown >= 0)
    return shown[y, x], y, x


def _barycentric(
    flat: Floats, faces: npt.NDArray[np.int64], x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]
) -> Pixels:
    """Return (N, 3), the weights of a face's three vertices at each pixel."""
    triangle = flat.astype(np.float32)[faces]
    a, b = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0]
    at = np.stack([x, y], axis=1).astype(np.float32) - triangle[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    second = (at[:, 0] * b[:, 1] - at[:, 1] * b[:, 0]) / area
    third = (a[:, 0] * at[:, 1] - a[:, 1] * at[:, 0]) / area
    weights = np.stack([1 - second - third, second, third], axis=1).clip(0, 1)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _shade(
    normal: Pixels,
    depth: Pixels,
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    side: int,
    unit_px: float,
    appearance: Appearance,
    light: Light,
) -> Pixels:
    """Return (N, 2): the factor of each pixel's colour, and the white that is added to it."""
    lx, ly = appearance.light_xy
    lamp = np.array([lx, -ly, np.sqrt(max(0.05, 1 - lx * lx - ly * ly))], np.float32)
    lamp /= np.linalg.norm(lamp)
    hand, depths = np.zeros((2, side, side), np.float32)
    hand[y, x], depths[y, x] = 1, depth
    hand, depths, unit = _shrink(hand), _shrink(depths), unit_px / SHADING_SCALE
    openness = _find_openness(hand, depths, unit, y, x, depth, side, appearance.relief)
    shadow = _cast_shadow(np.where(hand > 0, depths / hand.clip(1e-3), BACKGROUND_DEPTH), lamp, unit)
    shadow = np.asarray(cv2.resize(shadow, (side, side)), np.float32)[y, x]
    from_lamp = ((normal @ lamp + light.wrap) / (1 + light.wrap)).clip(0, 1) * (1 - light.shadow * shadow)
    # skin darkens where it turns away, and more light comes from above than from below
    rim = 0.82 + 0.18 * normal[:, 2].clip(0, 1)
    ambient = light.ambient * openness * (0.65 + 0.15 * normal[:, 1])
    colour = ambient + light.lamp * from_lamp * np.sqrt(openness)
    half = lamp + np.array([0, 0, 1], np.float32)
    white = light.gloss * (normal @ (half / np.linalg.norm(half))).clip(0, 1) ** 16 * (1 - shadow)
    return np.stack([colour * rim, white], axis=1)


def _find_openness(
    hand: Pixels,
    depths: Pixels,
    unit: float,
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    depth: Pixels,
    side: int,
    relief: float,
) -> Pixels:
    """Return (N,) the fraction of the surrounding light that nearby flesh does not block."""
    openness = np.ones(len(depth), np.float32)
    for reach, strength in OCCLUSIONS:
        sigma = max(0.8, reach * unit)
        mean = cv2.GaussianBlur(depths, (0, 0), sigma) / cv2.GaussianBlur(hand, (0, 0), sigma).clip(1e-3)
        in_front = cv2.resize(mean, (side, side))[y, x] - depth
        openness /= 1 + strength * relief * np.clip(in_front - 0.01, 0, 1)
    return openness


def _cast_shadow(depth: Pixels, lamp: Pixels, unit: float) -> Pixels:
    """Return how much of the lamp's light is blocked at each pixel of a depth map, 0..1."""
    shadow = np.zeros_like(depth)
    for away in SHADOW_DISTANCES:
        shift = np.array([[1, 0, -away * unit * lamp[0]], [0, 1, away * unit * lamp[1]]], np.float32)
        caster = cv2.warpAffine(depth, shift, depth.shape[::-1], borderValue=BACKGROUND_DEPTH)
        blocked = ((caster - depth - away * max(0.3, lamp[2]) - 0.03) / 0.08).clip(0, 1)
        shadow = np.maximum(shadow, blocked)
    return np.asarray(cv2.GaussianBlur(shadow, (0, 0), max(0.6, 0.03 * unit)), np.float32)


def _shrink(plane: Pixels) -> Pixels:
    height, width = plane.shape
    size = (-(-width // SHADING_SCALE), -(-height // SHADING_SCALE))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
