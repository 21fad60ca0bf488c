"""One picture: a made person signs a letter, or holds a hand that signs none, before a camera."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from edge.records import N_LANDMARKS, Array, Image
from edge.synthetic.poses import rotation
from train.synthetic.drawn import draw_background, photograph, vary
from train.synthetic.hold import CAMERA_DEG
from train.synthetic.mesh import compute_normals
from train.synthetic.mesh_poses import draw_mesh_pose
from train.synthetic.people.appearance import draw_light, draw_paint, seen_from
from train.synthetic.people.arm import reach
from train.synthetic.people.body import Body, Floats, load_rig, make_body, pose_body
from train.synthetic.people.hand_pose import find_fingertip, find_hand_frame, finger_bones, rotate_hand
from train.synthetic.people.render import renderer

OVERSAMPLING = 2
FIELDS_OF_VIEW_DEG = (45.0, 80.0)  # webcams and phones
HAND_FRACTION = (0.2, 0.75)  # the hand's length over the picture's side
MOST_BEND_RAD = np.radians(75)  # of a wrist; places that need more are drawn again
PLACES = 6  # that are tried for a hand
HIDDEN_M, MOST_HIDDEN = 0.025, 0.35  # a landmark this far behind what is seen is hidden; fraction of them
# The thumb's angles with which Anny's thumb touches the index finger, found by a random search.
TOUCHING = {"F": (39, 59, 2, 68, -18, 16), "O": (25, 61, -1, 54, -32, 24)}
EXPRESSIONS = (
    "jawOpen",
    "mouthSmileLeft",
    "mouthSmileRight",
    "browInnerUp",
    "eyeBlinkLeft",
    "eyeBlinkRight",
)

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture (S, S, 3) RGB with its landmarks (21, 2) px, or None without a hand."""

    image: Image
    landmarks: Array | None


def draw_scene(rng: Rng, letter: str | None, size_px: int, hand: bool = True) -> Scene:
    """Draw a person who signs a letter, or none if it is None; without `hand`, no hand is in sight."""
    while True:
        scene = _try_scene(rng, letter, size_px, hand)
        if scene is not None:
            return scene


def _try_scene(rng: Rng, letter: str | None, size_px: int, hand: bool) -> Scene | None:
    body = _draw_body(rng)
    placed = _draw_pose(rng, body, letter if hand else None, hand)
    if placed is None:
        return None
    vertices, joints, landmarks = placed
    rig, side_px = load_rig(), size_px * OVERSAMPLING
    focal_px = side_px / 2 / np.tan(np.radians(rng.uniform(*FIELDS_OF_VIEW_DEG)) / 2)
    yaw, pitch, roll = rng.normal(0, 12), rng.normal(0, 10), rng.normal(0, 5)
    camera = rotation(yaw, pitch, roll)
    target = landmarks.mean(axis=0) if hand else joints[rig.bone("head")]
    vertices, landmarks = (points @ camera.T for points in (vertices - target, landmarks - target))
    length_m = float(np.linalg.norm(np.ptp(landmarks, axis=0))) if hand else 0.25
    distance_m = max(0.22, length_m * focal_px / (side_px * rng.uniform(*HAND_FRACTION)))
    free = np.clip(0.5 - length_m * focal_px / distance_m / side_px / 2, 0.0, 0.4)
    move_px = rng.uniform(-1, 1, 2) * free * side_px
    move = np.array([move_px[0] * distance_m / focal_px, move_px[1] * distance_m / focal_px, -distance_m])
    vertices, landmarks = vertices + move, landmarks + move
    if vertices[:, 2].max() > -0.08 and (vertices[:, 2] > -0.08).mean() > 0.02:
        return None  # the camera is inside the person
    normals = compute_normals(vertices, rig.faces)
    paint, light = draw_paint(rng, body), seen_from(draw_light(rng), camera)
    image, depth = renderer(side_px)(
        vertices, normals, body.vertices, rig.faces, paint, light, focal_px, move
    )
    flat = landmarks[:, :2] * [1, -1] / -landmarks[:, 2:] * focal_px + side_px / 2
    if hand and not _is_visible(flat, -landmarks[:, 2], depth):
        return None
    image = _expose(rng, image, np.isfinite(depth))
    image = _before(rng, image, np.isfinite(depth), size_px, light.lamp_way[2] < 0)
    return Scene(photograph(rng, image), (flat / OVERSAMPLING).astype(np.float32) if hand else None)


def _draw_body(rng: Rng) -> Body:
    shape = {
        "gender": float(rng.random()),
        "age": float(np.clip(rng.beta(3, 2), 0.28, 1.0)),  # from about six years on
        "muscle": float(rng.beta(2, 2)),
        "weight": float(rng.beta(2, 2)),
        "height": float(rng.beta(2, 2)),
        "proportions": float(rng.beta(3, 2)),
    }
    shown = {name: float(rng.random() ** 3) for name in EXPRESSIONS if rng.random() < 0.4}
    return make_body(shape, shown)


def _draw_pose(rng: Rng, body: Body, letter: str | None, hand: bool) -> tuple[Floats, Floats, Floats] | None:
    """Return vertices, joints and landmarks (21, 3) of the person, or None if no place suits the wrist."""
    rig = load_rig()
    frame = find_hand_frame(body)
    arm_m = float(np.linalg.norm(body.joints[rig.bone("wrist.R")] - body.joints[rig.bone("upperarm01.R")]))
    head = body.joints[rig.bone("head")]
    rotations = {
        "spine03": rotation(rng.normal(0, 6), rng.normal(0, 4), rng.normal(0, 3)),
        "neck02": rotation(rng.normal(0, 12), rng.normal(0, 8), rng.normal(0, 5)),
        **_rest_arm(rng, body, "L"),
    }
    rotations["head"] = rotations["neck02"]
    if not hand:
        rotations |= _rest_arm(rng, body, "R", hanging=True)
        vertices, joints = pose_body(body, rotations)
        return vertices, joints, np.zeros((N_LANDMARKS, 3))
    pose = draw_mesh_pose(rng, letter)
    if letter in TOUCHING:
        pose[16:22] = TOUCHING[letter]
    pose = vary(rng, pose)
    aside = rotation(*rng.uniform(-CAMERA_DEG, CAMERA_DEG, 3) * 0.8)
    lengths = rng.normal(1, 0.06, 5) * rng.normal(1, 0.04)
    fingers = {name: aside @ turn for name, turn in rotate_hand(frame, pose, lengths).items()}
    shoulder = pose_body_joint(body, rotations, "upperarm01.R")
    best: tuple[float, dict[str, Floats]] | None = None
    for _ in range(PLACES):
        where = rng.random()
        if where < 0.25:  # before the face
            target = head + np.array(
                [rng.normal(-0.05, 0.07), rng.uniform(-0.25, 0.08), rng.uniform(0.14, 0.4)]
            )
        elif where < 0.5:  # held out to the camera
            target = head + np.array(
                [
                    rng.uniform(-0.35, 0.1),
                    rng.uniform(-0.3, 0.05),
                    arm_m * rng.uniform(0.55, 0.95),
                ]
            )
        else:  # beside the shoulder
            target = head + np.array(
                [rng.uniform(-0.42, -0.1), rng.uniform(-0.42, 0.0), rng.uniform(0.08, 0.35)]
            )
        turns, bend = reach(body, fingers["wrist.R"], target, shoulder)
        if best is None or bend < best[0]:
            best = bend, turns
    assert best is not None
    if best[0] > MOST_BEND_RAD:
        return None
    rotations |= fingers | best[1]
    vertices, joints = pose_body(body, rotations)
    landmarks = [joints[rig.bone("wrist.R")]]
    for finger in range(5):
        names = finger_bones(finger)
        starts = [joints[rig.bone(name)] for name in names]
        rest = find_fingertip(body, finger) - body.joints[rig.bone(names[2])]
        landmarks += [*starts, starts[2] + rotations[names[2]] @ rest]
    return vertices, joints, np.array(landmarks)


def pose_body_joint(body: Body, rotations: dict[str, Floats], bone: str) -> Floats:
    """Return (3,), where a bone of the posed body begins."""
    rig = load_rig()
    chain = [rig.bone(bone)]
    while rig.parents[chain[-1]] >= 0:
        chain.append(rig.parents[chain[-1]])
    chain.reverse()
    at, turn = body.joints[chain[0]], rotations.get(rig.bones[chain[0]], np.eye(3))
    for before, bone_number in pairwise(chain):
        at = at + turn @ (body.joints[bone_number] - body.joints[before])
        turn = rotations.get(rig.bones[bone_number], turn)
    return np.asarray(at)


def _rest_arm(rng: Rng, body: Body, side: str, hanging: bool = False) -> dict[str, Floats]:
    """Return the rotations of an arm that hangs, or of one whose hand is idle in sight."""
    rig = load_rig()
    pose = vary(rng, draw_mesh_pose(rng, None))
    shoulder = body.joints[rig.bone(f"upperarm01.{side}")]
    out = -1.0 if side == "R" else 1.0
    if hanging or rng.random() < 0.7:
        pose[22:] = [rng.uniform(60, 110), rng.normal(0, 10), 180 + rng.normal(0, 10)]
        target = shoulder + np.array([out * rng.uniform(0.05, 0.15), -0.6, rng.uniform(-0.05, 0.15)])
    else:
        target = shoulder + np.array(
            [out * rng.uniform(-0.15, 0.15), rng.uniform(-0.35, 0.0), rng.uniform(0.15, 0.4)]
        )
    fingers = rotate_hand(find_hand_frame(body, side), pose, side=side)
    turns, bend = reach(body, fingers[f"wrist.{side}"], target, shoulder, side)
    if bend > MOST_BEND_RAD:  # a hand that can't be held so hangs along its forearm
        turn = turns[f"lowerarm02.{side}"]
        back = turn @ fingers[f"wrist.{side}"].T
        fingers = {name: back @ one for name, one in fingers.items()}
    return fingers | turns


def _is_visible(flat: Floats, depth_m: Floats, seen: Array) -> bool:
    """Whether the landmarks lie inside the picture and few of them are hidden behind something else."""
    side_px = len(seen)
    if flat.min() < -0.02 * side_px or flat.max() > 1.02 * side_px:
        return False
    x, y = flat.round().astype(int).clip(0, side_px - 1).T
    return bool((depth_m - seen[y, x] > HIDDEN_M).mean() <= MOST_HIDDEN)


def _expose(rng: Rng, image: Image, person: Array) -> Image:
    """Brighten or darken as a camera does that is set for the person, more or less."""
    mean = float(image[person].mean()) if person.any() else 100.0
    target = rng.uniform(55, 150) * (mean / 100) ** 0.4  # dark skin and clothes stay darker
    return np.asarray(cv2.convertScaleAbs(image, alpha=float(np.clip(target / max(mean, 1), 0.5, 3.5))))


def _before(rng: Rng, image: Image, person: Array, size_px: int, against_light: bool) -> Image:
    """Put the person before a background, (S, S, 3) of the picture's own size."""
    background: Array = draw_background(rng, size_px).astype(np.float32)
    if against_light:
        background = 255 - (255 - background) * rng.uniform(0.2, 0.8)
    background = np.asarray(cv2.GaussianBlur(background, (0, 0), rng.uniform(0.3, 3.0)), np.float32)
    mask = cv2.resize(person.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA)[:, :, None]
    small = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (small + background * (1 - mask)).clip(0, 255).astype(np.uint8)
