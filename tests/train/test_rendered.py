"""Rendered hands: the mesh, its poses, and the labels that render_hand gives to training."""

import hashlib

import numpy as np
import pytest
from support.made_pictures import find_similar_letters

from edge.records import LETTERS
from edge.synthetic.painter import Appearance
from edge.synthetic.poses import POSES, RELAXED, hand_joints, rotation
from train.synthetic.hold import draw_camera, draw_wrist_bend
from train.synthetic.mesh import FILE, compute_normals, load_hand_mesh
from train.synthetic.mesh_painter import Light, colour_skin, paint_mesh
from train.synthetic.mesh_poses import STANDS_OUT, THUMBS, draw_mesh_pose
from train.synthetic.pose_mesh import pose_hand
from train.synthetic.rendered import render_hand

GREEN = np.full((8, 8, 3), (0, 255, 0), np.uint8)
ONES = np.ones(5)


def render_letter(seed: int, letter: str | None, size_px: int = 128, fraction: float = 0.7):
    rng = np.random.default_rng(seed)
    return render_hand(rng, letter, size_px, background=GREEN, hand_fraction=(fraction, fraction))


def paint_letter(letter: str, appearance: Appearance, mirrored: bool = False) -> np.ndarray:
    """Render the letter on grey in constant light."""
    pose = POSES[letter].copy()
    pose[16:22] = THUMBS.get(letter, pose[16:22])
    canvas = np.full((160, 160, 3), 128, np.uint8)
    paint_mesh(canvas, *pose_hand(pose, ONES), 55.0, np.array([80.0, 80.0]), appearance, Light(), mirrored)
    return canvas


def make_appearance(skin: tuple[float, float, float] = (212.0, 164.0, 132.0)) -> Appearance:
    return Appearance(skin_rgb=np.array(skin), light_xy=np.array([0.3, -0.4]))


def test_mesh_is_the_published_file():
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert digest == "291790c14f7f88a7f9bd35330c47392ed8e8d395ae6728f4bb7089f1bc1f2b96"


def test_vertex_weights_sum_to_one_and_the_skin_is_closed():
    mesh = load_hand_mesh()
    np.testing.assert_allclose(mesh.weights.sum(axis=1), 1)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).tolist()
    known = {(a, b) for a, b in edges}
    open_ends = {a for a, b in edges if (b, a) not in known}
    assert len(known) == len(edges)  # no face is doubled or inverted
    assert {int(mesh.ring[a]) for a in open_ends} == {mesh.ring.max()}  # open only at the elbow


def test_normals_point_out_of_the_hand():
    mesh = load_hand_mesh()
    away = mesh.vertices - mesh.vertices[mesh.ring == 0].mean(axis=0)
    palm = (np.abs(mesh.vertices[:, 1] - 0.5) < 0.2) & (mesh.ring == 0)
    assert ((away * mesh.normals)[palm, 2] > 0).mean() > 0.85
    np.testing.assert_allclose(np.linalg.norm(compute_normals(mesh.vertices, mesh.faces), axis=1), 1)


@pytest.mark.parametrize("letter", LETTERS)
def test_bones_have_the_directions_of_the_angles(letter):
    """Compare directions only: lengths differ, and folded fingers of the mesh lean together."""
    _, joints = pose_hand(POSES[letter], ONES)
    expected = hand_joints(POSES[letter])
    for first in (1, 5, 9, 13, 17):
        mesh_bones, angle_bones = (np.diff(each[first : first + 4], axis=0) for each in (joints, expected))
        cosines = (
            (mesh_bones * angle_bones).sum(axis=1)
            / np.linalg.norm(mesh_bones, axis=1)
            / np.linalg.norm(angle_bones, axis=1)
        )
        assert cosines.min() > np.cos(np.deg2rad(13)), (letter, first)


def test_bones_keep_their_length_in_every_pose():
    def bones(joints):
        return np.linalg.norm(np.diff(joints, axis=0), axis=1)[[1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15]]

    relaxed = bones(pose_hand(RELAXED, ONES)[1])
    for letter in LETTERS:
        np.testing.assert_allclose(bones(pose_hand(POSES[letter], ONES)[1]), relaxed, atol=1e-9)
    longer = bones(pose_hand(RELAXED, np.array([1, 1.2, 1, 1, 1]))[1])
    np.testing.assert_allclose(longer[3:6], 1.2 * relaxed[3:6])
    np.testing.assert_allclose(longer[6:], relaxed[6:])


def pose_with_thumb(letter: str, thumb: tuple[float, ...]) -> np.ndarray:
    """Return the joints (21, 3) of the letter with this thumb and without its rotation."""
    pose = POSES[letter].copy()
    pose[16:22], pose[22:] = thumb, 0
    return pose_hand(pose, ONES)[1]


def test_thumb_does_not_intersect_a_finger():
    """The distance of the bones is at least about one radius (0.1) in all letters except M and N.

    There the fingers lie on the thumb.
    """
    for letter in sorted(set(THUMBS) - {"M", "N"}):
        joints = pose_with_thumb(letter, THUMBS[letter])
        fractions = np.linspace(0, 1, 9)[:, None]
        thumb = joints[3] + (joints[4] - joints[3]) * fractions
        for first in (5, 9, 13, 17):
            for bone in range(first, first + 3):
                finger = joints[bone] + (joints[bone + 1] - joints[bone]) * fractions
                distance = np.linalg.norm(thumb[:, None] - finger[None], axis=2).min()
                assert distance > 0.11, (letter, bone, distance)


@pytest.mark.parametrize(("letter", "between"), [("M", (14, 18)), ("N", (10, 14)), ("T", (6, 10))])
def test_tip_of_the_thumb_stands_out_between_two_fingers(letter, between):
    joints = pose_with_thumb(letter, {**THUMBS, **STANDS_OUT}[letter])
    tip, one, other = joints[4], *joints[list(between)]  # their middle joints
    assert other[0] < tip[0] < one[0]
    assert tip[1] > (joints[between[0] + 1, 1] + joints[between[1] + 1, 1]) / 2  # above their ends
    assert tip[2] > max(one[2], other[2])  # in front of both


@pytest.mark.parametrize("letter", [*LETTERS, None])
def test_landmarks_are_on_the_rendered_hand(letter):
    for seed in range(3):
        drawn = render_letter(seed, letter)
        assert drawn.letter == letter
        assert drawn.image.shape == (128, 128, 3)
        assert drawn.landmarks.shape == (21, 2)
        assert drawn.landmarks.dtype == np.float32
        x, y = drawn.landmarks.astype(int).clip(0, 127).T
        r, g, b = drawn.image[y, x].astype(int).T
        off_the_hand = g > 2 * np.maximum(r, b) + 40
        assert off_the_hand.sum() <= 1, (seed, np.flatnonzero(off_the_hand))


def test_same_seed_renders_the_same_bytes():
    for letter in ("A", None):
        one, two, other = (render_letter(seed, letter) for seed in (7, 7, 8))
        assert one.image.tobytes() == two.image.tobytes()
        assert one.landmarks.tobytes() == two.landmarks.tobytes()
        assert other.image.tobytes() != one.image.tobytes()


def test_hand_has_the_requested_size():
    for fraction in (0.4, 0.8):
        sides = [
            np.ptp(render_letter(seed, "V", 100, fraction).landmarks, axis=0).max() / 100 for seed in range(9)
        ]
        assert 0.7 * fraction < min(sides)
        assert max(sides) < 1.15 * fraction


def test_no_two_letters_look_the_same():
    pictures = {letter: paint_letter(letter, make_appearance()) for letter in LETTERS}
    assert find_similar_letters(pictures, 0.02) == []


def test_mirrored_hand_is_the_other_hand():
    right, left = paint_letter("L", make_appearance()), paint_letter("L", make_appearance(), mirrored=True)
    hands = [np.abs(each.astype(int) - 128).max(axis=2) > 12 for each in (right, left[:, ::-1])]
    assert (hands[0] != hands[1]).mean() < 0.02


def test_palm_is_lighter_than_the_back_most_of_all_on_dark_skin():
    mesh = load_hand_mesh()
    palm, back = mesh.normals[:, 2] > 0.8, (mesh.normals[:, 2] < -0.8) & (mesh.vertices[:, 1] < 1)
    ratios = []
    for skin in ((58.0, 38.0, 30.0), (238.0, 202.0, 178.0)):
        colours = colour_skin(make_appearance(skin))
        ratios.append(colours[palm].mean() / colours[back].mean())
    assert ratios[0] > ratios[1] > 1


def test_sleeve_begins_at_its_ring_and_does_not_cover_the_hand():
    appearance = Appearance(
        np.array([212.0, 164, 132]), np.array([0.3, -0.4]), sleeve_rgb=np.array([0.0, 0, 255])
    )
    pictures = {}
    for ring in (1, 3):
        canvas = np.full((160, 160, 3), 128, np.uint8)
        vertices, joints = pose_hand(POSES["B"], ONES)
        paint_mesh(
            canvas, vertices, joints, 28.0, np.array([80.0, 40.0]), appearance, Light(), sleeve_from=ring
        )
        blue = canvas[..., 2].astype(int) > canvas[..., 0].astype(int) + 40
        pictures[ring] = np.flatnonzero(blue.any(axis=1))
    assert pictures[1].min() < pictures[3].min()
    assert pictures[1].min() > 68  # the wrist's height: the hand is above it


def test_letter_is_formed_in_several_ways():
    rng = np.random.default_rng(0)
    pitches = [draw_mesh_pose(rng, "Z")[23] for _ in range(60)]
    assert min(pitches) < 5  # the finger stands
    assert max(pitches) > 55  # or points at the viewer
    spreads = [np.ptp(draw_mesh_pose(rng, "V")[[0, 4]]) for _ in range(40)]
    assert min(spreads) < 0.6 * np.ptp(POSES["V"][[0, 4]])


def find_elbow(pose: np.ndarray, wrist_rad: tuple[float, float]) -> np.ndarray:
    """Return the end of the forearm, (3,)."""
    mesh = load_hand_mesh()
    return pose_hand(pose, ONES, wrist_rad=wrist_rad)[0][mesh.ring == mesh.ring.max()].mean(axis=0)


def test_bent_wrist_moves_only_the_forearm():
    straight, mesh = find_elbow(POSES["B"], (0, 0)), load_hand_mesh()
    assert np.linalg.norm(straight[[0, 2]]) < 0.1 * -straight[1]
    length = np.linalg.norm(straight)
    bent_to_thumb, bent_to_palm = find_elbow(POSES["B"], (0.5, 0)), find_elbow(POSES["B"], (0, 1.2))
    assert bent_to_thumb[0] > 0.4 * length
    assert bent_to_palm[2] > 0.8 * length
    assert np.linalg.norm(bent_to_palm) == pytest.approx(length, rel=0.05)
    bent, joints = pose_hand(POSES["B"], ONES, wrist_rad=(0.5, 1.2))
    unbent, relaxed = pose_hand(POSES["B"], ONES)
    np.testing.assert_array_equal(joints, relaxed)
    np.testing.assert_allclose(bent[mesh.ring == 0], unbent[mesh.ring == 0], atol=1e-9)


def test_elbow_is_lower_if_the_hand_points_down_or_sideways():
    rng, lower = np.random.default_rng(0), []
    for letter in "GHPQ":
        for _ in range(30):
            pose = draw_mesh_pose(rng, letter)
            lower.append(find_elbow(pose, draw_wrist_bend(rng, pose))[1] - find_elbow(pose, (0, 0))[1])
    assert np.mean(lower) < -0.5  # hand lengths
    assert np.mean(np.array(lower) < 0.1) > 0.9
    upright = [draw_wrist_bend(rng, POSES["B"]) for _ in range(60)]
    assert np.rad2deg(np.abs(upright)).mean() < 15


def test_hands_without_a_letter_vary_and_never_form_a_b():
    rng = np.random.default_rng(0)
    poses = np.stack([draw_mesh_pose(rng, None) for _ in range(80)])
    finger_directions = np.stack([rotation(*pose[22:])[:, 1] for pose in poses])
    assert (finger_directions[:, 1] < -0.3).mean() > 0.2
    assert (finger_directions[:, 1] > 0.6).mean() > 0.4
    flat = poses[:, [1, 5, 9, 13]].max(axis=1) < 12  # a flat hand that stands, palm forward, is a B
    palms = np.stack([rotation(*pose[22:])[2, 2] for pose in poses])
    closed = np.abs(poses[:, [0, 4, 8, 12]]).max(axis=1) < 5
    assert not (flat & closed & (finger_directions[:, 1] > 0.5) & (palms > 0.3)).any()


def test_some_hands_are_seen_from_the_side_but_no_fists():
    rng = np.random.default_rng(0)
    yaws = {letter: np.array([draw_camera(rng, letter)[0] for _ in range(200)]) for letter in "LATG"}
    assert 0.1 < (np.abs(yaws["L"]) > 26).mean() < 0.4
    assert yaws["L"].min() < -60
    for letter in "ATG":  # fists look alike from the side; G has rotations of its own
        assert np.abs(yaws[letter]).max() < 25


def test_thumb_of_some_rs_sticks_out():
    rng = np.random.default_rng(0)
    tips = [pose_hand(pose, ONES)[1][4, 0] for pose in (draw_mesh_pose(rng, "R") for _ in range(60))]
    assert 0.1 < (np.array(tips) > 0.45).mean() < 0.5
