"""How a made person looks: skin, hair, clothes, nails, and the light of the room."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np

from edge.synthetic.painter import SKIN
from train.synthetic.mesh import compute_normals
from train.synthetic.mesh_painter import PALM_LIGHTER, PALM_RGB
from train.synthetic.people.body import Body, Floats, load_rig, make_body
from train.synthetic.people.hand_pose import find_fingertip, find_hand_frame, finger_bones
from train.synthetic.people.render import Paint, RoomLight

Rng = np.random.Generator
HAIR = (
    np.array(
        [
            [12, 10, 9],
            [30, 20, 14],
            [70, 44, 26],
            [120, 84, 50],
            [190, 160, 110],
            [150, 60, 30],
            [170, 168, 165],
        ]
    )
    / 255
)
BALD_FRACTION = 0.08
# Of sleeves: how far they reach, 0 at the shoulder, 1 at the elbow, 2 at the wrist; and how often.
SLEEVES, SLEEVE_CHANCES = ((0.0, 0.05), (0.3, 0.75), (0.9, 1.6), (1.75, 2.05)), (0.12, 0.43, 0.15, 0.3)


def draw_paint(rng: Rng, body: Body) -> Paint:
    """Draw a person's colours."""
    tone = rng.uniform(0, len(SKIN) - 1.001)
    skin = (SKIN[int(tone)] + (SKIN[int(tone) + 1] - SKIN[int(tone)]) * (tone % 1)) * rng.normal(1, 0.04, 3)
    cloth, raised_cloth = _draw_cloth(rng, body)
    hair, raised_hair = _draw_hair(rng, body)
    colours, nails, creases = _colour_hands(skin, body)
    eyes, dark = _find_face(body)
    colours[eyes > 0] = 225
    colours[eyes > 1] = rng.uniform(15, 90, 3)
    raised = np.where(cloth > 0, raised_cloth, 0) + np.where(hair > 0, raised_hair, 0)
    polished = rng.random() < 0.12
    nail = rng.uniform(20, 230, 3) if polished else np.minimum(skin * 0.8 + [62, 50, 48], 250)
    grey = rng.uniform(10, 240)
    cloth_rgb = np.clip(grey + rng.normal(0, rng.exponential(35), 3), 6, 248) / 255
    striped = rng.random() < 0.25
    hair_rgb = HAIR[rng.integers(len(HAIR))] * rng.uniform(0.7, 1.2)
    return Paint(
        skin=colours.clip(0, 255) / 255,
        regions=np.column_stack([cloth, hair, nails, dark]),
        creases_m=creases,
        raised_m=raised,
        cloth_rgb=cloth_rgb,
        second_rgb=rng.uniform(0.03, 0.95, 3),
        pattern=rng.normal(0, 1, 3) * rng.uniform(60, 300) if striped else np.zeros(3),
        hair_rgb=hair_rgb,
        nail_rgb=nail / 255,
        mottling=float(rng.uniform(0.03, 0.14)),
        wrinkles=float(rng.uniform(0.1, 0.4)),
    )


def draw_light(rng: Rng) -> RoomLight:
    """Draw the light: a window aside, a lamp above, a screen in front, or light from behind."""
    warm = np.array([rng.normal(1, 0.07), 1.0, rng.normal(1, 0.1)])
    room = rng.uniform(0.25, 0.75)
    way = rng.normal(0, 1, 3) * [1.0, 0.7, 0.6] + [0, 0.5, 0.55]
    lamp = rng.uniform(0.25, 0.95)
    if rng.random() < 0.15:  # against the light
        way[2] = -abs(way[2]) - 0.4
        room *= 0.7
    way /= np.linalg.norm(way)
    return RoomLight(
        lamp_way=way,
        lamp_rgb=lamp * warm,
        room_rgb=room * (2 - warm),
        below_rgb=room * rng.uniform(0.45, 0.9) * np.array([1, 0.97, 0.93]),
        wrap=float(rng.uniform(0.1, 0.6)),
        shadow=float(rng.uniform(0.3, 0.9)),
        gloss=float(rng.uniform(0, 0.12)),
    )


def seen_from(light: RoomLight, camera: Floats) -> RoomLight:
    """Return the light as a camera with these axes (3, 3) sees it."""
    return replace(light, lamp_way=camera @ light.lamp_way)


def _along_arm(body: Body, side: str) -> Floats:
    """Return (V,): 0 at the shoulder, 1 at the elbow, 2 at the wrist; NaN elsewhere."""
    rig = load_rig()
    shoulder, elbow, wrist = (
        body.joints[rig.bone(f"{name}.{side}")] for name in ("upperarm01", "lowerarm01", "wrist")
    )
    position = np.full(len(body.vertices), np.nan)
    for prefix, start, end, base in (("upperarm", shoulder, elbow, 0.0), ("lowerarm", elbow, wrist, 1.0)):
        mine = rig.vertices_of(*(f"{prefix}0{k}.{side}" for k in (1, 2)))
        axis = end - start
        position[mine] = base + (body.vertices[mine] - start) @ axis / (axis @ axis)
    return position


def _draw_cloth(rng: Rng, body: Body) -> tuple[Floats, Floats]:
    """Return (V,) where cloth is, above 0, and how far above the skin it is, in metres."""
    rig = load_rig()
    sleeve_to = rng.uniform(*SLEEVES[rng.choice(len(SLEEVES), p=SLEEVE_CHANCES)])
    thickness = rng.uniform(0.003, 0.012)
    cloth = np.full(len(body.vertices), -1.0)
    torso = rig.vertices_of("spine", "clavicle", "shoulder", "pelvis", "upperleg", "lowerleg", "root", "foot")
    neck = body.joints[rig.bone("neck01")]
    neckline = rng.uniform(-0.02, 0.09)
    below = neck[1] - neckline - body.vertices[:, 1]
    aside = np.abs(body.vertices[:, 0]) - 0.05
    cloth[torso] = np.maximum(below, np.minimum(aside, 0.05))[torso] * 8
    cloth[rig.vertices_of("neck")] = (below * 8)[rig.vertices_of("neck")]
    if rng.random() < 0.03:
        cloth[:] = -1.0
    for side in "LR":
        along = _along_arm(body, side)
        mine = np.isfinite(along)
        cloth[mine] = sleeve_to - along[mine]
    return cloth, np.full(len(cloth), thickness)


def _draw_hair(rng: Rng, body: Body) -> tuple[Floats, Floats]:
    """Return (V,) where hair is, above 0, and how far above the skin, in metres."""
    rig = load_rig()
    head = rig.vertices_of("head")
    hair = np.full(len(body.vertices), -1.0)
    if rng.random() < BALD_FRACTION:
        return hair, np.zeros(len(hair))
    low, high = body.vertices[head].min(axis=0), body.vertices[head].max(axis=0)
    size = float(high[1] - low[1])
    centre = np.array([0, low[1] + 0.58 * size, (low[2] + high[2]) / 2])
    ways = body.vertices[head] - centre
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    hair[head] = ways @ (np.array([0, 0.72, -0.69])) - rng.uniform(-0.15, 0.3)
    if rng.random() < 0.15:  # a beard
        beard = np.minimum(-ways[:, 1] - rng.uniform(0.35, 0.6), ways[:, 2] + 0.2)
        hair[head] = np.maximum(hair[head], beard)
    thick = rng.uniform(0.003, 0.03)
    return hair, np.asarray(thick * np.clip(hair * 6, 0, 1))


def _find_face(body: Body) -> tuple[Floats, Floats]:
    """Return (V,) eyes: 1 white, 2 iris; and (V,) above 0 for brows and lips."""
    rig = load_rig()
    eyes, dark = np.zeros(len(body.vertices)), np.full(len(body.vertices), -1.0)
    head = rig.vertices_of("head")
    height = float(np.ptp(body.vertices[head][:, 1]))
    for side in "LR":
        eye = rig.vertices_of(f"eye.{side}")
        at = body.vertices[eye]
        middle = at.mean(axis=0)
        eyes[eye] = 1.0
        front = at[:, 2] > at[:, 2].max() - 0.12 * np.ptp(at[:, 2])
        eyes[np.flatnonzero(eye)[front]] = 2.0
        away = (body.vertices[head] - middle) / height
        brow = 1 - (away[:, 0] / 0.1) ** 2 - ((away[:, 1] - 0.095) / 0.022) ** 2
        dark[head] = np.maximum(dark[head], np.where(away[:, 2] > -0.05, brow, -1))
    between = (body.joints[rig.bone("eye.L")] + body.joints[rig.bone("eye.R")]) / 2
    away = (body.vertices[head] - between) / height
    lips = 1 - (away[:, 0] / 0.1) ** 2 - ((away[:, 1] + 0.31) / 0.035) ** 2
    dark[head] = np.maximum(dark[head], np.where(away[:, 2] > 0.0, lips, -1))
    return eyes, dark


def _colour_hands(skin: Floats, body: Body) -> tuple[Floats, Floats, Floats]:
    """Return the skin's colour (V, 3) 0..255, nails (V,) 0..1, and metres from the nearest crease (V,)."""
    rig = load_rig()
    colours = np.tile(skin, (len(body.vertices), 1))
    nails, creases = np.zeros(len(body.vertices)), np.full(len(body.vertices), 1.0)
    dark = 1 - float(skin.mean()) / 255
    palm = skin * (1 + PALM_LIGHTER * dark**2) + PALM_RGB * (1 - dark / 2)
    normals = rest_normals()
    for side in "LR":
        frame = find_hand_frame(body, side)
        mirror = np.diag([1.0 if side == "R" else -1.0, 1, 1])
        out_of_palm = mirror @ frame.axes[2]
        hand = _find_hand()[side]
        inside = np.clip((normals @ out_of_palm + 0.1) / 0.6, 0, 1) * hand
        colours += (palm - skin) * inside[:, None]
        for finger in range(5):
            names = finger_bones(finger, side)
            joints = [body.joints[rig.bone(name)] for name in names] + [find_fingertip(body, finger, side)]
            last = rig.vertices_of(names[2])
            axis = joints[3] - joints[2]
            along = (body.vertices - joints[2]) @ axis / (axis @ axis)
            back = -out_of_palm if finger else mirror @ frame.axes.T @ np.array([0.79, -0.37, -0.48])
            back = back - (back @ axis) * axis / (axis @ axis)
            back /= np.linalg.norm(back)
            nails = np.maximum(nails, np.clip((normals @ back - 0.6) / 0.3, 0, 1) * last * (along > 0.42))
            tips = np.clip(along, 0, 1) * last
            colours *= 1 + np.array([0.05, -0.04, -0.03]) * tips[:, None]
            for start, end in pairwise(joints):
                near = rig.vertices_of(*names) & (normals @ -back > 0.1)
                axis = (end - start) / np.linalg.norm(end - start)
                distance = np.abs((body.vertices - start) @ axis)
                creases[near] = np.minimum(creases[near], distance[near])
    return colours, nails, creases


@cache
def _find_hand() -> dict[str, Floats]:
    """Return for each side (V,) how much a vertex belongs to the hand, 0..1; at the wrist it fades."""
    rig = load_rig()
    hands = {}
    for side in "LR":
        bones = [
            name.startswith(("finger", "metacarpal", "wrist")) and name.endswith(side) for name in rig.bones
        ]
        forearm = [name == f"lowerarm02.{side}" for name in rig.bones]
        kinds = np.array(bones) + 0.5 * np.array(forearm)
        hands[side] = (rig.weights * kinds[rig.weight_bones]).sum(axis=1)
    return hands


@cache
def rest_normals() -> Floats:
    """Return (V, 3), the normals of the average body at rest."""
    return compute_normals(make_body({}, {}).vertices, load_rig().faces)
