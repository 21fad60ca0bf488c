"""Painted hands: handshapes, painting, and the labels that draw_hand gives to training."""

import numpy as np
import pytest
from support.made_pictures import find_similar_letters

from edge.records import LETTERS
from edge.synthetic.painter import Appearance, paint_hand
from edge.synthetic.poses import POSES, RELAXED, blend, hand_joints
from train.synthetic.drawn import draw_background, draw_hand, draw_pose

GREEN = np.full((8, 8, 3), (0, 255, 0), np.uint8)


def paint_letter(letter: str) -> np.ndarray:
    """Paint the letter on grey with constant skin and light."""
    canvas = np.full((120, 120, 3), 128, np.uint8)
    appearance = Appearance(skin_rgb=np.array([212.0, 164, 132]), light_xy=np.array([0.5, -0.5]))
    paint_hand(canvas, hand_joints(POSES[letter]), 42.0, np.array([60.0, 60.0]), appearance)
    return canvas


@pytest.mark.parametrize("letter", [*LETTERS, None])
def test_landmarks_are_inside_the_picture(letter):
    for seed in range(5):
        drawn = draw_hand(np.random.default_rng(seed), letter, 96)
        assert drawn.letter == letter
        assert drawn.image.shape == (96, 96, 3)
        assert drawn.image.dtype == np.uint8
        assert drawn.landmarks.shape == (21, 2)
        assert drawn.landmarks.dtype == np.float32
        assert (drawn.landmarks >= 0).all()
        assert (drawn.landmarks <= 96).all()


@pytest.mark.parametrize("letter", LETTERS)
def test_landmarks_are_on_the_drawn_hand(letter):
    for seed in range(5):
        drawn = draw_hand(np.random.default_rng(seed), letter, 128, background=GREEN)
        x, y = drawn.landmarks.astype(int).T
        r, g, b = drawn.image[y, x].astype(int).T
        off_the_hand = g > 2 * np.maximum(r, b) + 40
        assert not off_the_hand.any(), np.flatnonzero(off_the_hand)


def test_hand_has_the_requested_size():
    sides = {}
    for fraction in (0.4, 0.8):
        drawn = [
            draw_hand(np.random.default_rng(seed), "V", 100, hand_fraction=(fraction, fraction))
            for seed in range(9)
        ]
        sides[fraction] = [np.ptp(each.landmarks, axis=0).max() / 100 for each in drawn]
        # landmarks ignore the perspective and the flesh around the outermost joints
        assert 0.75 * fraction < min(sides[fraction])
        assert max(sides[fraction]) < 1.1 * fraction


def test_same_seed_draws_the_same_bytes():
    for letter in ("A", None):
        one, two = (draw_hand(np.random.default_rng(7), letter, 96) for _ in range(2))
        assert one.image.tobytes() == two.image.tobytes()
        assert one.landmarks.tobytes() == two.landmarks.tobytes()
        other = draw_hand(np.random.default_rng(8), letter, 96)
        assert other.image.tobytes() != one.image.tobytes()


def test_left_hand_is_the_mirrored_right_hand():
    right = draw_hand(np.random.default_rng(3), "L", 96, left=False)
    left = draw_hand(np.random.default_rng(3), "L", 96, left=True)
    np.testing.assert_allclose(left.landmarks[:, 0], 96 - right.landmarks[:, 0], atol=1e-3)
    np.testing.assert_allclose(left.landmarks[:, 1], right.landmarks[:, 1], atol=1e-3)


def test_about_half_of_the_hands_are_left_hands():
    rng = np.random.default_rng(0)
    # the thumb of an L points to the viewer's right on a right hand
    landmarks = [draw_hand(rng, "L", 48, turn_deg=5).landmarks for _ in range(60)]
    lefts = sum(bool(each[4, 0] < each[0, 0]) for each in landmarks)
    assert 18 <= lefts <= 42


def test_thumb_of_a_right_hand_is_on_the_viewers_right():
    joints = hand_joints(POSES["L"])
    assert joints[4, 0] > joints[8, 0] > joints[20, 0]
    assert joints[8, 1] == joints[:, 1].max()


def test_people_differ_less_than_letters():
    rng = np.random.default_rng(0)
    ideal = np.array([hand_joints(POSES[letter]) for letter in LETTERS])
    for number, letter in enumerate(LETTERS):
        hits = 0
        for _ in range(40):
            pose = draw_pose(rng, letter)
            # undo the rotation: G, H, P and Q are also drawn as their signer sees them
            pose[22:] = POSES[letter][22:]
            hits += ((ideal - hand_joints(pose)) ** 2).sum(axis=(1, 2)).argmin() == number
        assert hits >= 36, letter


def test_no_two_letters_look_the_same():
    pictures = {letter: paint_letter(letter) for letter in LETTERS}
    assert find_similar_letters(pictures, 0.03) == []


def test_fingers_cover_the_thumb_in_m_and_the_thumb_covers_them_in_s():
    m, s = hand_joints(POSES["M"]), hand_joints(POSES["S"])
    assert m[7, 2] > m[3, 2]
    assert m[11, 2] > m[3, 2]
    assert s[4, 2] > s[[6, 7, 10, 11], 2].max()


def test_blend_goes_from_one_pose_to_the_other():
    a, b = POSES["A"], POSES["B"]
    np.testing.assert_array_equal(blend(a, b, 0), a)
    np.testing.assert_array_equal(blend(a, b, 1), b)
    np.testing.assert_allclose(blend(a, b, 0.5), (a + b) / 2)


def test_bones_keep_their_length_in_every_pose():
    def bones(joints):
        return np.linalg.norm(np.diff(joints, axis=0), axis=1)[
            [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19]
        ]

    for letter in LETTERS:
        np.testing.assert_allclose(bones(hand_joints(POSES[letter])), bones(hand_joints(RELAXED)))


def test_given_background_is_used_and_not_changed():
    background = np.full((40, 60, 3), (0, 0, 250), np.uint8)
    drawn = draw_hand(np.random.default_rng(1), "A", 96, background=background, hand_fraction=(0.3, 0.3))
    assert (background == (0, 0, 250)).all()
    r, _, b = np.median(drawn.image.reshape(-1, 3), axis=0)
    assert b > r + 80


def test_every_seed_draws_another_background():
    pictures = [draw_background(np.random.default_rng(seed), 64) for seed in range(6)]
    assert all(picture.shape == (64, 64, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 6
