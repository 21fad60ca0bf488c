"""Paint a hand as shaded, tapered solids over its 21 joints, from far to near.

The dark outlines of the solids look like creases between fingers.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Image
from edge.synthetic.poses import Joints

Floats = npt.NDArray[np.float64]
Outlines = npt.NDArray[np.int32]  # px * 2**SHIFT
SHIFT = 4  # OpenCV's fixed point: 1/16 px

# The start joints of the 15 bones, from the thumb to the little finger, and the radii of both their ends. The
# unit is the distance from wrist to middle knuckle. Rounded values of an adult hand.
STARTS = np.array([1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19])
N_BONES = len(STARTS)
RADII = np.array(
    [[0.17, 0.125], [0.125, 0.11], [0.112, 0.085]]
    + [[0.118, 0.104], [0.104, 0.095], [0.095, 0.075]] * 2
    + [[0.112, 0.100], [0.100, 0.090], [0.090, 0.072]]
    + [[0.098, 0.086], [0.086, 0.078], [0.078, 0.064]]
)
PALM = np.array([0, 1, 5, 9, 13, 17])
PALM_RADII = np.array([0.20, 0.17, 0.125, 0.125, 0.12, 0.115])[:, None, None]
ARM_RADII, SLEEVE_RADII = (0.24, 0.42), (0.33, 0.55)
ARM_LENGTH, SLEEVE_START = 4.0, 0.55  # from the wrist

HALF = np.linspace(-np.pi / 2, np.pi / 2, 7)
ROUND = np.concatenate([HALF + np.pi, HALF])  # angles around a solid's first end, then around its second end
CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 12, endpoint=False)), np.sin(a)], axis=1)

# A solid is painted in four layers, from its dark outline to its lit ridge. A layer has a fraction of the
# radius, and a brightness.
FRACTIONS = np.array([1.0, 0.88, 0.64, 0.34])
FRACTION = FRACTIONS[:, None, None, None]
LIGHT = np.array([0.5, 0.84, 0.98, 1.07])

# Skin tones from very dark to very light, RGB. random_appearance interpolates between two neighbours.
SKIN = np.array([[58, 38, 30], [92, 60, 44], [136, 92, 66], [178, 128, 96], [212, 164, 132], [238, 202, 178]])
NAIL_RGB = np.array([76, 64, 61])  # added to 0.75 times the colour of the skin


@dataclass(frozen=True, eq=False)
class Appearance:
    """The appearance of a drawn hand, independent of its pose."""

    skin_rgb: Floats  # (3,) 0..255
    light_xy: Floats  # (2,) towards the light, y down, of length 0..1
    relief: float = 0.8  # contrast of outlines and ridges, 0..1
    thickness: float = 1.0
    sleeve_rgb: Floats | None = None  # None: a bare arm
    arm_bend_rad: float = 0.0  # 0: the arm continues straight from the hand


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Return a random skin tone, a random direction of light, and a bare arm or a sleeve."""
    tone = rng.uniform(0, len(SKIN) - 1.001)
    skin = SKIN[int(tone)] + (SKIN[int(tone) + 1] - SKIN[int(tone)]) * (tone % 1)
    light_rad = rng.uniform(0, 2 * np.pi)
    return Appearance(
        skin_rgb=skin * rng.normal(1, 0.04, 3),
        light_xy=np.array([np.cos(light_rad), np.sin(light_rad)]) * rng.uniform(0.2, 1),
        relief=float(rng.uniform(0.5, 1)),
        thickness=float(rng.uniform(0.85, 1.2)),
        sleeve_rgb=rng.uniform(10, 245, 3) if rng.random() < 0.5 else None,
        arm_bend_rad=float(rng.normal(0, 0.25)),
    )


def paint_hand(
    canvas: Image,
    joints: Joints,
    unit_px: float,
    centre_px: Floats,
    appearance: Appearance,
    mirrored: bool = False,
) -> Floats:
    """Paint the hand into `canvas`; return its joints' positions, (21, 2) px.

    The joints' box is centred on `centre_px`. `joints`: (21, 3) from hand_joints, rotated for the viewer.
    `unit_px`: the distance from wrist to middle knuckle.
    """
    flat = _project(joints, unit_px, centre_px, mirrored)
    radii = RADII * (unit_px * appearance.thickness)
    wrist, elbow = _arm(flat, unit_px, appearance.arm_bend_rad)
    cuff = wrist + (elbow - wrist) * (SLEEVE_START / ARM_LENGTH)
    starts = np.vstack([flat[STARTS], wrist, cuff])
    ends = np.vstack([flat[STARTS + 1], elbow, elbow])
    arms = np.array([ARM_RADII, SLEEVE_RADII]) * (unit_px * appearance.thickness)
    solids = _capsules(starts, ends, np.vstack([radii, arms]), appearance.light_xy)

    bone_z = (joints[STARTS, 2] + joints[STARTS + 1, 2]) / 2
    depth = np.append(bone_z, joints[PALM, 2].mean())
    brightness = 1 - 0.28 * (depth.max() - depth) / (depth.max() - depth.min() + 0.5)
    colours = _shades(appearance.skin_rgb, np.append(brightness, 0.9), appearance.relief)
    nail = np.minimum(appearance.skin_rgb * 0.75 + NAIL_RGB, 255).tolist()
    facings = _nail_facings(joints).tolist()

    _fill(canvas, list(solids[:, N_BONES]), colours[-1])
    if appearance.sleeve_rgb is not None:
        sleeve_colours = _shades(appearance.sleeve_rgb, np.array([0.95]), appearance.relief)[0]
        _fill(canvas, list(solids[:, N_BONES + 1]), sleeve_colours)
    for k in np.argsort(depth).tolist():
        if k == N_BONES:
            _fill(canvas, _palm(flat, unit_px * appearance.thickness, appearance.light_xy), colours[k])
            continue
        _fill(canvas, list(solids[:, k]), colours[k])
        if k % 3 == 2 and facings[k // 3] > 0.25:
            _paint_nail(canvas, starts[k], ends[k], radii[k, 1], facings[k // 3], nail)
    return flat


def _project(joints: Joints, unit_px: float, centre_px: Floats, mirrored: bool) -> Floats:
    """Project (21, 3) in hand units to (21, 2) px, y down, for a viewer at a distance of 8 hand units."""
    flat = joints[:, :2] / (1 - joints[:, 2:] / 8) * (-unit_px if mirrored else unit_px, -unit_px)
    return flat + (centre_px - (flat.min(axis=0) + flat.max(axis=0)) / 2)  # type: ignore[no-any-return]


def _arm(flat: Floats, unit_px: float, bend_rad: float) -> tuple[Floats, Floats]:
    """Return wrist and elbow, px. The arm extends the hand, or hangs if the hand points to the viewer."""
    away = flat[0] - flat[9]
    length = math.hypot(*away)
    away = away / length if length > 0.3 * unit_px else np.array([0.0, 1.0])
    c, s = math.cos(bend_rad), math.sin(bend_rad)
    return flat[0], flat[0] + np.array([[c, -s], [s, c]]) @ away * (ARM_LENGTH * unit_px)


def _capsules(a: Floats, b: Floats, radii: Floats, light_xy: Floats) -> Outlines:
    """Return the outlines (4 layers, K, 14, 2) of K solids from a (K, 2) to b (K, 2) with radii (K, 2)."""
    along = np.arctan2(b[:, 1] - a[:, 1], b[:, 0] - a[:, 0])[:, None] + ROUND
    rim = np.stack([np.cos(along), np.sin(along)], axis=2)
    centres = np.repeat(np.stack([a, b], axis=1), len(HALF), axis=1)
    radius = np.repeat(radii, len(HALF), axis=1)[:, :, None]
    outlines = centres + radius * (rim * FRACTION + light_xy * (0.7 * (1 - FRACTION)))
    return np.asarray(outlines * (1 << SHIFT), np.int32)


def _palm(flat: Floats, unit_px: float, light_xy: Floats) -> list[Outlines]:
    """Return the four outlines of the palm: the hull of circles around its joints."""
    radii = PALM_RADII * unit_px
    # a palm is flatter than a finger, so its lit layers are wider
    rims = flat[PALM, None] + radii * (CIRCLE * (1.1 * FRACTION - 0.1) + light_xy * (0.4 * (1 - FRACTION)))
    fixed = (rims.reshape(len(FRACTIONS), -1, 2) * (1 << SHIFT)).astype(np.int32)
    return [np.asarray(cv2.convexHull(rim), np.int32) for rim in fixed]


def _shades(rgb: Floats, brightness: Floats, relief: float) -> list[list[list[float]]]:
    """Return the colours of K solids, one for each layer, from (3,) and (K,)."""
    light = brightness[:, None] * (1 + (LIGHT - 1) * relief)
    return np.minimum(rgb * light[:, :, None], 255).tolist()  # type: ignore[no-any-return]


def _fill(canvas: Image, outlines: list[Outlines], colours: list[list[float]]) -> None:
    for outline, colour in zip(outlines, colours, strict=True):
        cv2.fillConvexPoly(canvas, outline, colour, cv2.LINE_8, SHIFT)


def _nail_facings(joints: Joints) -> Floats:
    """Return (5,): how much the nail of each finger faces the viewer; 1 fully, -1 away."""
    tips, ends, middles = joints[[4, 8, 12, 16, 20]], joints[[3, 7, 11, 15, 19]], joints[[2, 6, 10, 14, 18]]
    side = joints[5] - joints[17]
    palm = np.cross(side, joints[9] - joints[0])
    # A finger bends towards the palm, so the component of the previous bone across the last bone points to
    # the nail's side. A straight finger has none: there the back of the hand decides, or the thumb's outside.
    outward = (ends - middles) + np.array([side * 0.6 + palm * 0.3] + [palm * -0.6] * 4)
    bone = (tips - ends) / np.linalg.norm(tips - ends, axis=1, keepdims=True)
    outward -= (outward * bone).sum(axis=1, keepdims=True) * bone
    return np.asarray(outward[:, 2] / (np.linalg.norm(outward, axis=1) + 1e-9))


def _paint_nail(
    canvas: Image, a: Floats, b: Floats, radius_px: float, facing: float, rgb: list[float]
) -> None:
    """Paint an ellipse on the end of the bone a-b. `facing` 0..1: how much the nail faces the viewer."""
    dx, dy = (b - a).tolist()
    x, y = b.tolist()
    length = math.hypot(dx, dy) + 1e-6
    fixed, back = 1 << SHIFT, radius_px * 0.15 / length
    centre = (round((x - dx * back) * fixed), round((y - dy * back) * fixed))
    long_px = radius_px * 0.62 * length / (length + radius_px) + 1  # shorter if the bone points to the viewer
    size = (round(long_px * fixed), round(radius_px * 0.5 * facing * fixed))
    cv2.ellipse(canvas, centre, size, math.degrees(math.atan2(dy, dx)), 0, 360, rgb, -1, cv2.LINE_8, SHIFT)
