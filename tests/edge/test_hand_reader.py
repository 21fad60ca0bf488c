"""Find, look closer, follow: with an engine whose answers are computed from the crop that it is shown."""

from dataclasses import replace

import numpy as np
import pytest

from edge.hand.palm_detector import Palm
from edge.hand.reader import (
    MARGIN,
    SKIN,
    STEP,
    UPRIGHT_SHARE,
    HandReader,
    box_around,
    hand_box,
    overlap,
    square_around,
    turn_of,
    turned_square,
)
from edge.package import Package
from edge.preprocess import rotation
from edge.records import LETTERS, Array, Frame, Image, Output

SIZE_PX = 32
LOOKS = 2  # at a hand in a single picture, before the thorough ones; without upright ones
PACKAGE = Package(
    folder=None,  # type: ignore[arg-type]
    size_px=SIZE_PX,
    temperature=1.0,
    presence_threshold=0.5,
    files={},
    metadata={},
)
READS_UPRIGHT = replace(PACKAGE, reads_upright=True)


class BrightSpot:
    """An engine that sees a hand where the crop is bright: its points lie on the bright pixels' box.

    The tensor is the only thing it knows, so what the reader finds has gone through the real crops.
    """

    def __init__(self, letter: str = "C") -> None:
        self.letter, self.calls = letter, 0
        self.upright: list[bool] = []  # of each call

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        self.calls += 1
        self.upright.append(upright)
        bright = tensor[0].mean(axis=0) > 1.0
        letters = np.zeros((1, 26), np.float32)
        landmarks = np.full((1, 21, 2), 0.5, np.float32)
        if not bright.any():
            return Output(letters, np.array([-6.0], np.float32), landmarks)
        ys, xs = np.nonzero(bright)
        left, top, right, bottom = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
        landmarks[0] = np.resize(np.array(corners, np.float32) / SIZE_PX, (21, 2))
        letters[0, LETTERS.index(self.letter)] = 8.0
        return Output(letters, np.array([6.0], np.float32), landmarks)


def scene(box: tuple[int, int, int, int], width: int = 640, height: int = 480) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    return image


def test_small_hand_is_found_to_within_a_few_pixels():
    box = (400, 300, 460, 380)
    found = HandReader(BrightSpot(), PACKAGE).read(scene(box))
    assert found.letter == "C"
    assert found.hand is not None
    assert found.hand.landmarks is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), box, atol=8)


def test_confidence_is_the_softmax_of_the_letter():
    found = HandReader(BrightSpot(), PACKAGE).read(scene((100, 100, 300, 300)))
    assert found.confidence == pytest.approx(np.exp(8) / (np.exp(8) + 25), rel=1e-5)
    assert found.top[0][0] == "C"
    assert [letter for letter, _ in sorted(found.top)] == list(LETTERS)
    assert sum(confidence for _, confidence in found.top) == pytest.approx(1)


def test_reading_begins_where_a_palm_was_found():
    shown = []
    engine = BrightSpot()

    def watched(tensor: Array, upright: bool = False) -> Output:
        shown.append((tensor[0].mean(axis=0) > 1.0).mean())
        return engine(tensor)

    found = HandReader(watched, PACKAGE, find=lambda image: [Palm((430.0, 340.0, 120.0), 0.0)]).read(
        scene((400, 300, 460, 380))
    )
    assert shown[0] > 0.2  # of the first crop: not the whole picture
    assert found.hand is not None


def test_of_two_hands_the_one_that_signs_is_read():
    def find(image: Image) -> list[Palm]:
        return [
            Palm((50.0, 50.0, 100.0), 0.0),
            Palm((300.0, 300.0, 160.0), 0.0),
        ]  # the first is dark: no hand to this engine

    found = HandReader(BrightSpot(), PACKAGE, find=find).read(scene((260, 260, 340, 340)))
    assert found.hand is not None
    assert found.letter == "C"
    np.testing.assert_allclose(box_around(found.hand.landmarks), (260, 260, 340, 340), atol=12)


def unsure_of_what_fills_its_square(tensor: Array, upright: bool = False) -> Output:
    """A bright spot, and the less sure of its letter the less there is around it."""
    output = BrightSpot()(tensor)
    filled = float((tensor[0].mean(axis=0) > 1.0).mean())
    return Output(output.letters * (1 - filled), output.presence, output.landmarks)


def test_a_finger_that_the_detector_takes_for_a_hand_does_not_hide_the_hand():
    """There is something in the detector's square, too; the whole picture's hand is the likelier."""

    reader = HandReader(
        unsure_of_what_fills_its_square, PACKAGE, find=lambda _: [Palm((320.0, 240.0, 90.0), 0.0)]
    )
    found = reader.read(scene((120, 60, 520, 420)))
    assert found.hand is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (120, 60, 520, 420), atol=12)


def test_two_squares_that_end_in_the_same_hand_are_looked_at_thoroughly_once():
    engine = BrightSpot()
    image = scene((200, 120, 440, 360))
    HandReader(engine, PACKAGE, find=lambda _: [Palm((320.0, 240.0, 600.0), 0.0)]).read(image)
    twice = engine.calls
    engine.calls = 0
    HandReader(engine, PACKAGE).read(image)
    assert twice == engine.calls + LOOKS


def test_where_the_detector_is_wrong_the_whole_picture_is_looked_at():
    engine = BrightSpot()
    reader = HandReader(engine, PACKAGE, find=lambda image: [Palm((50.0, 50.0, 100.0), 0.0)])  # dark
    found = reader.read(scene((200, 120, 440, 360)))
    assert found.hand is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (200, 120, 440, 360), atol=12)
    engine.calls = 0
    reader.read(np.zeros((480, 640, 3), np.uint8))
    assert engine.calls == 2  # the detector's square and the picture, once each


def test_following_asks_no_detector():
    asked = []

    def find(image: Image) -> list[Palm]:
        asked.append(1)
        return [Palm((240.0, 250.0, 200.0), 0.0)]

    reader = HandReader(BrightSpot(), PACKAGE, find=find)
    for step in range(4):
        assert reader.follow(Frame(scene((200, 200, 280, 300)), step / 30, step)).hand is not None
    assert len(asked) == 1


def test_a_finger_that_is_followed_is_left_for_the_hand_within_a_second():
    image = scene((120, 60, 520, 420))
    asked = []

    def find(_: Image) -> list[Palm]:
        asked.append(1)
        return [Palm((320.0, 240.0, 60.0), 0.0)]

    def stuck_to_a_finger(tensor: Array, upright: bool = False) -> Output:
        """What fills the square is a hand, too, and as large as ever."""
        output = unsure_of_what_fills_its_square(tensor)
        if (tensor[0].mean(axis=0) > 1.0).mean() > 0.95:
            output.landmarks[:] = 0.5 + 0.28 * np.sign(output.landmarks - 0.5)
        return output

    reader = HandReader(stuck_to_a_finger, PACKAGE, find=find)
    for step in range(15):
        hand = reader.follow(Frame(image, step / 15, step)).hand
        assert hand is not None
        assert hand.landmarks[:, 0].max() - hand.landmarks[:, 0].min() < 100
    found = reader.follow(Frame(image, 1.0, 15))
    assert found.hand is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (120, 60, 520, 420), atol=12)
    assert len(asked) == 2


def test_a_hand_whose_letter_is_unsure_is_searched_for_once_a_second():
    asked, engine = [], BrightSpot()

    def unsure(tensor: Array, upright: bool = False) -> Output:
        output = engine(tensor)
        return Output(output.letters * 0, output.presence, output.landmarks)

    def find(_: Image) -> list[Palm]:
        asked.append(1)
        return [Palm((240.0, 250.0, 200.0), 0.0)]

    reader = HandReader(unsure, PACKAGE, find=find)
    for step in range(45):  # 3 seconds
        assert reader.follow(Frame(scene((200, 200, 280, 300)), step / 15, step)).hand is not None
    assert len(asked) == 3


def test_empty_scene_gives_no_letter_and_no_hand():
    found = HandReader(BrightSpot(), PACKAGE).read(np.zeros((480, 640, 3), np.uint8))
    assert found.letter is None
    assert found.hand is None


def test_unsure_letter_is_withheld_but_its_confidence_is_told():
    reader = HandReader(BrightSpot(), PACKAGE, min_confidence=0.999)
    found = reader.read(scene((100, 100, 300, 300)))
    assert found.letter is None
    assert found.hand is not None
    assert 0.9 < found.confidence < 0.999


def test_a_search_in_a_stream_is_two_looks_at_a_palm_or_else_some_at_the_whole_picture():
    def find(_: Image) -> list[Palm]:
        return [Palm((50.0, 50.0, 100.0), 0.0), Palm((200.0, 200.0, 300.0), 0.5)]

    for package, first in ((PACKAGE, False), (READS_UPRIGHT, True)):
        engine = BrightSpot()
        reader = HandReader(engine, package, find=find)
        assert reader.follow(Frame(scene((150, 150, 250, 250)), 0.0, 0)).letter == "C"
        assert engine.upright == [first, first, False]  # the first palm is dark
        engine.upright.clear()
        HandReader(engine, package, find=find).follow(Frame(np.zeros((480, 640, 3), np.uint8), 0.0, 0))
        assert engine.upright == [first, first, False]


def test_the_first_look_is_turned_as_the_detector_says():
    shown, engine = [], BrightSpot()

    def watched(tensor: Array, upright: bool = False) -> Output:
        shown.append(tensor[0].mean(axis=0) > 1.0)
        return engine(tensor, upright)

    reader = HandReader(watched, READS_UPRIGHT, find=lambda _: [Palm((320.0, 240.0, 240.0), np.pi / 2)])
    reader.follow(Frame(scene((320, 220, 420, 260)), 0.0, 0))  # from the middle to the right: it points right
    ys, xs = np.nonzero(shown[0])
    assert ys.max() <= SIZE_PX / 2
    assert np.ptp(ys) > 2 * np.ptp(xs)


def test_a_single_picture_is_looked_at_once_more_and_once_in_the_mirror():
    shown = []
    engine = BrightSpot()

    def watched(tensor: Array, upright: bool = False) -> Output:
        shown.append(tensor[0].mean(axis=0) > 1.0)
        return engine(tensor)

    image = scene((100, 100, 200, 300))
    image[100:200, 100:150] = 0  # an L, which its mirror is not
    found = HandReader(watched, PACKAGE).read(image)
    assert engine.calls == LOOKS + 2
    assert found.hand is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (100, 100, 200, 300), atol=12)
    np.testing.assert_array_equal(shown[LOOKS], shown[LOOKS - 1][:, ::-1])


def test_the_same_square_is_not_read_twice():
    engine = BrightSpot()
    side = round(400 / MARGIN)
    start = (400 - side) // 2
    image = scene((start, start, start + side, start + side), 400, 400)
    HandReader(engine, PACKAGE).read(image)
    assert engine.calls == 1 + 2  # and the thorough ones


def test_following_costs_one_look_a_frame():
    engine = BrightSpot()
    reader = HandReader(engine, PACKAGE)
    reader.follow(Frame(scene((200, 200, 280, 300)), 0.0, 0))
    before = engine.calls
    for step in range(1, 6):
        x = 200 + 10 * step
        found = reader.follow(Frame(scene((x, 200, x + 80, 300)), step / 30, step))
        assert found.letter == "C"
        assert found.t == step / 30
    assert engine.calls - before == 5


def test_hand_that_jumps_away_is_found_again_in_the_same_frame():
    reader = HandReader(BrightSpot(), PACKAGE)
    reader.follow(Frame(scene((20, 20, 100, 120)), 0.0, 0))
    found = reader.follow(Frame(scene((500, 300, 580, 400)), 0.1, 1))
    assert found.hand is not None
    assert found.hand.landmarks is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (500, 300, 580, 400), atol=12)


def test_lost_hand_is_searched_for_in_every_frame():
    engine = BrightSpot()
    reader = HandReader(engine, PACKAGE)
    dark = np.zeros((480, 640, 3), np.uint8)
    for index in range(3):
        assert reader.follow(Frame(dark, index / 30, index)).hand is None
    assert engine.calls == 3


def test_looks_are_bounded_when_the_points_never_settle():
    rng = np.random.default_rng(0)
    calls = []

    def restless(tensor: Array) -> Output:
        calls.append(1)
        landmarks = rng.uniform(0, 1, (1, 21, 2)).astype(np.float32) * 0.3
        return Output(np.zeros((1, 26), np.float32), np.array([3.0], np.float32), landmarks)

    HandReader(restless, PACKAGE).read(scene((0, 0, 10, 10)))
    assert len(calls) <= LOOKS + 2


def test_points_that_crowd_together_do_not_shrink_the_square_to_a_fingertip():
    sides = []

    def crowded(tensor: Array) -> Output:
        landmarks = (
            np.full((1, 21, 2), 0.5, np.float32) + np.linspace(0, 0.01, 21, dtype=np.float32)[None, :, None]
        )
        sides.append(tensor.shape[-1])
        return Output(np.zeros((1, 26), np.float32), np.array([3.0], np.float32), landmarks)

    found = HandReader(crowded, PACKAGE).read(np.zeros((400, 400, 3), np.uint8))
    assert found.hand is not None
    assert found.hand.landmarks is not None
    x0, _, x1, _ = box_around(found.hand.landmarks)
    shown = (x1 - x0) / 0.01  # the last square's side, px
    assert shown > STEP**2 * 400 * 0.95
    assert len(sides) == LOOKS + 2


def test_letter_is_what_all_looks_say_together():
    """One look is nearly sure of A, the others lean to B: A and B are weighed, not the last look alone."""
    logits = iter([(12.0, 0.0), *[(0.0, 1.0)] * (LOOKS + 1)])

    def wavering(tensor: Array) -> Output:
        letters = np.full((1, 26), -9.0, np.float32)
        letters[0, :2] = next(logits)
        landmarks = (
            np.full((1, 21, 2), 0.5, np.float32) + np.linspace(0, 0.01, 21, dtype=np.float32)[None, :, None]
        )
        return Output(letters, np.array([3.0], np.float32), landmarks)

    found = HandReader(wavering, PACKAGE).read(np.zeros((400, 400, 3), np.uint8))
    assert found.letter == "A"
    odds = np.mean([12.0, *[-1.0] * (LOOKS + 1)])
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-3)


def hand_that_points(turn_rad: float) -> Array:
    """(21, 2) px: wrist at (100, 100), everything else 40 px away in that direction, fanned out a little."""
    fan = turn_rad + np.linspace(-0.3, 0.3, 21)
    landmarks = 100 + 40 * np.stack([np.sin(fan), -np.cos(fan)], axis=1)
    landmarks[0] = 100
    return landmarks.astype(np.float32)


@pytest.mark.parametrize("turn_deg", [0, 30, -90, 150])
def test_turned_square_holds_the_hand_upright(turn_deg):
    landmarks = hand_that_points(np.deg2rad(turn_deg))
    assert np.rad2deg(turn_of(landmarks)) == pytest.approx(turn_deg, abs=5)  # the thumb's side leans that way
    cx, cy, side = turned_square(landmarks, np.deg2rad(turn_deg))
    upright = (
        (landmarks - (cx, cy)) @ rotation(np.deg2rad(turn_deg)) / side
    )  # fractions of the square, from its middle
    box = box_around(upright)
    np.testing.assert_allclose((box[0] + box[2], box[1] + box[3]), 0, atol=1e-4)
    assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(1 / MARGIN, rel=1e-4)
    assert upright[0, 1] == pytest.approx(box[3])  # the wrist is below everything


def test_every_other_frame_of_a_followed_hand_is_looked_at_upright():
    engine = BrightSpot()
    reader = HandReader(engine, READS_UPRIGHT)
    for step in range(5):
        assert reader.follow(Frame(scene((200, 200, 280, 300)), step / 30, step)).letter == "C"
    assert engine.upright == [False, True, False, True, False, True, False]


def test_a_single_picture_is_looked_at_upright_too_once_in_the_mirror():
    engine = BrightSpot()
    HandReader(engine, READS_UPRIGHT).read(scene((200, 200, 280, 300)))
    assert engine.upright == [False, True, False, False, True, False]


def test_a_single_pictures_points_are_those_of_the_upright_look():
    class SeesHalfOfAHand(BrightSpot):
        """Where it is not upright: the left half of what is bright."""

        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            output = super().__call__(tensor, upright)
            if not upright:
                left = output.landmarks[..., 0].min()
                output.landmarks[..., 0] = left + (output.landmarks[..., 0] - left) / 2
            return output

    found = HandReader(SeesHalfOfAHand(), READS_UPRIGHT).read(scene((200, 150, 400, 350)))
    assert found.hand is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), (200, 150, 400, 350), atol=16)


def test_upright_looks_count_for_their_share():
    class Disagrees(BrightSpot):
        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            self.letter = "U" if upright else "H"
            return super().__call__(tensor, upright)

    reader = HandReader(Disagrees(), READS_UPRIGHT)
    for step in range(4):
        found = reader.follow(Frame(scene((200, 200, 280, 300)), step / 30, step))
    shares = dict(found.top)
    assert found.letter == "H"
    of_each = 8.0 * (1 - UPRIGHT_SHARE) / (1 + UPRIGHT_SHARE)  # both say 8 for theirs and 0 for the other
    assert np.log(shares["H"] / shares["U"]) == pytest.approx(of_each, rel=1e-4)


def test_looks_at_the_upright_hand_do_not_tell_a_j_from_an_i():
    class TakesJForI(BrightSpot):
        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            output = super().__call__(tensor, upright)
            output.letters[0] = 0
            for letter, logit in {"I": 30.0, "J": 0.0}.items() if upright else {"I": 4.0, "J": 5.0}.items():
                output.letters[0, LETTERS.index(letter)] = logit
            return output

    reader = HandReader(TakesJForI(), READS_UPRIGHT)
    for step in range(3):
        found = reader.follow(Frame(scene((200, 200, 280, 300)), step / 30, step))
        assert found.letter == "J"
    assert np.log(dict(found.top)["J"] / dict(found.top)["I"]) == pytest.approx(1.0, rel=1e-4)


def test_upright_points_lie_in_the_picture_where_the_others_do():
    reader = HandReader(BrightSpot(), READS_UPRIGHT)
    for step in range(2):
        found = reader.follow(Frame(scene((200, 200, 280, 300)), step / 30, step))
    assert found.hand is not None
    x0, y0, x1, y1 = box_around(found.hand.landmarks)
    np.testing.assert_allclose(((x0 + x1) / 2, (y0 + y1) / 2), (240, 250), atol=8)


def test_square_around_is_margin_times_the_longer_side():
    assert square_around((10, 20, 30, 60)) == (20, 40, 40 * MARGIN)


def test_box_around_holds_every_point():
    landmarks = np.array([[3, 9], [1, 4], [8, 5]], np.float32)
    assert box_around(landmarks) == (1, 4, 8, 9)


def test_hand_box_reaches_past_the_points_by_the_skin():
    landmarks = np.array([[10, 20], [30, 60], [20, 40]], np.float32)
    skin = 40 * SKIN
    assert hand_box(landmarks) == pytest.approx((10 - skin, 20 - skin, 30 + skin, 60 + skin))


def test_overlap_of_squares():
    assert overlap((0, 0, 10), (0, 0, 10)) == 1
    assert overlap((0, 0, 10), (20, 0, 10)) == 0
    assert overlap((0, 0, 10), (5, 0, 10)) == pytest.approx(1 / 3)
