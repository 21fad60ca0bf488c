"""Single pictures: the hand is found wherever it is, and all views of it give the letter."""

import numpy as np
import pytest
from support.bright_spot import (
    READS_UPRIGHT,
    SIZE_PX,
    SPEC,
    SURE,
    BrightSpot,
    dark,
    scene,
    unsure_of_what_fills_the_crop,
)

from edge.geometry import MARGIN, ZOOM_LIMIT, box_around
from edge.hand.palm_detector import Palm
from edge.hand.reader import HandReader
from edge.records import LETTERS, Array, Image, Output, Prediction


def assert_found(found: Prediction, box: tuple[int, int, int, int], atol: int = 12) -> None:
    assert found.hand is not None
    assert found.hand.landmarks is not None
    np.testing.assert_allclose(box_around(found.hand.landmarks), box, atol=atol)


def test_small_hand_is_found_to_within_a_few_pixels() -> None:
    box = (400, 300, 460, 380)
    found = HandReader(BrightSpot(), SPEC).read(scene(box))
    assert found.letter == "C"
    assert_found(found, box, atol=8)


def test_confidence_is_the_softmax_of_the_letter() -> None:
    found = HandReader(BrightSpot(), SPEC).read(scene((100, 100, 300, 300)))
    assert found.confidence == pytest.approx(np.exp(SURE) / (np.exp(SURE) + 25), rel=1e-5)
    assert found.top(1) == [("C", found.confidence)]
    assert [letter for letter, _ in sorted(found.top())] == list(LETTERS)
    assert found.probabilities.sum() == pytest.approx(1)


def test_search_begins_where_a_palm_was_found() -> None:
    engine = BrightSpot()
    reader = HandReader(engine, SPEC, palm_detector=lambda _: [Palm((430.0, 340.0, 120.0), 0.0)])
    assert reader.read(scene((400, 300, 460, 380))).hand is not None
    assert engine.crops[0].mean() > 0.2  # not the whole picture


def test_of_two_palms_the_one_that_signs_is_read() -> None:
    def find_palms(image: Image) -> list[Palm]:
        return [Palm((50.0, 50.0, 100.0), 0.0), Palm((300.0, 300.0, 160.0), 0.0)]  # the first is dark

    found = HandReader(BrightSpot(), SPEC, palm_detector=find_palms).read(scene((260, 260, 340, 340)))
    assert found.letter == "C"
    assert_found(found, (260, 260, 340, 340))


def test_finger_that_the_detector_takes_for_a_hand_does_not_hide_the_hand() -> None:
    def find_a_finger(image: Image) -> list[Palm]:
        return [Palm((320.0, 240.0, 90.0), 0.0)]

    reader = HandReader(unsure_of_what_fills_the_crop, SPEC, palm_detector=find_a_finger)
    assert_found(reader.read(scene((120, 60, 520, 420))), (120, 60, 520, 420))


def test_palm_and_whole_picture_that_lead_to_one_hand_cost_one_thorough_search() -> None:
    image = scene((200, 120, 440, 360))
    alone, both = BrightSpot(), BrightSpot()
    HandReader(alone, SPEC).read(image)
    HandReader(both, SPEC, palm_detector=lambda _: [Palm((320.0, 240.0, 600.0), 0.0)]).read(image)
    assert len(both.crops) < 2 * len(alone.crops)


def test_hand_is_found_in_the_whole_picture_if_the_detector_is_wrong() -> None:
    reader = HandReader(BrightSpot(), SPEC, palm_detector=lambda _: [Palm((50.0, 50.0, 100.0), 0.0)])
    assert_found(reader.read(scene((200, 120, 440, 360))), (200, 120, 440, 360))


def test_empty_scene_has_no_letter_and_no_hand() -> None:
    found = HandReader(BrightSpot(), SPEC).read(dark())
    assert (found.letter, found.hand) == (None, None)


def test_unsure_letter_is_withheld_and_its_confidence_is_kept() -> None:
    reader = HandReader(BrightSpot(), SPEC, min_confidence=0.999)
    found = reader.read(scene((100, 100, 300, 300)))
    assert found.letter is None
    assert found.hand is not None
    assert 0.9 < found.confidence < 0.999


def test_hand_is_also_viewed_in_the_mirror() -> None:
    engine = BrightSpot()
    image = scene((100, 100, 200, 300))
    image[100:200, 100:150] = 0  # an L, which differs from its mirror image
    found = HandReader(engine, SPEC).read(image)
    assert_found(found, (100, 100, 200, 300))
    assert any(
        np.array_equal(one, other[:, ::-1])
        for number, one in enumerate(engine.crops)
        for other in engine.crops[:number]
    )


def test_square_that_is_close_already_is_not_viewed_closer() -> None:
    side = round(400 / MARGIN)
    start = (400 - side) // 2
    close, far = BrightSpot(), BrightSpot()
    HandReader(close, SPEC).read(scene((start, start, start + side, start + side), 400, 400))
    HandReader(far, SPEC).read(scene((180, 180, 220, 220), 400, 400))
    assert len(close.crops) == len(far.crops) - 1


def test_views_are_bounded_if_the_landmarks_never_settle() -> None:
    rng = np.random.default_rng(0)
    settled, crops = BrightSpot(), []

    def restless(tensor: Array, upright: bool = False) -> Output:
        crops.append(tensor)
        landmarks = rng.uniform(0, 1, (1, 21, 2)).astype(np.float32) * 0.3
        return Output(np.zeros((1, 26), np.float32), np.array([3.0], np.float32), landmarks)

    image = scene((100, 100, 200, 200))
    HandReader(settled, SPEC).read(image)
    HandReader(restless, SPEC).read(image)
    assert len(crops) <= len(settled.crops)


def crowded_landmarks() -> Array:
    """(1, 21, 2) on one hundredth of the crop."""
    return np.full((1, 21, 2), 0.5, np.float32) + np.linspace(0, 0.01, 21, dtype=np.float32)[None, :, None]


def test_landmarks_that_crowd_together_do_not_shrink_the_square_to_a_fingertip() -> None:
    def crowded(tensor: Array, upright: bool = False) -> Output:
        return Output(np.zeros((1, 26), np.float32), np.array([3.0], np.float32), crowded_landmarks())

    found = HandReader(crowded, SPEC).read(np.zeros((400, 400, 3), np.uint8))
    assert found.hand is not None
    assert found.hand.landmarks is not None
    x0, _, x1, _ = box_around(found.hand.landmarks)
    last_side = (x1 - x0) / 0.01
    assert last_side > ZOOM_LIMIT**2 * 400 * 0.95


def test_letter_is_what_all_views_say_together() -> None:
    """One view is nearly sure of A and the others lean to B: the mean decides, not the last view."""
    given: list[tuple[float, float]] = []

    def wavering(tensor: Array, upright: bool = False) -> Output:
        given.append((0.0, 1.0) if given else (12.0, 0.0))
        letters = np.full((1, 26), -9.0, np.float32)
        letters[0, :2] = given[-1]
        return Output(letters, np.array([3.0], np.float32), crowded_landmarks())

    found = HandReader(wavering, SPEC).read(np.zeros((400, 400, 3), np.uint8))
    assert found.letter == "A"
    odds = np.mean([a - b for a, b in given])
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-3)


def test_hand_is_viewed_upright_if_the_model_reads_that() -> None:
    for spec, expected in ((SPEC, {False}), (READS_UPRIGHT, {False, True})):
        engine = BrightSpot()
        HandReader(engine, spec).read(scene((200, 200, 280, 300)))
        assert set(engine.upright) == expected


def test_landmarks_are_those_of_the_upright_view() -> None:
    class SeesHalfOfAHand(BrightSpot):
        """Sees only the left half of what is bright, unless it is upright."""

        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            output = super().__call__(tensor, upright)
            if not upright:
                left = output.landmarks[..., 0].min()
                output.landmarks[..., 0] = left + (output.landmarks[..., 0] - left) / 2
            return output

    found = HandReader(SeesHalfOfAHand(), READS_UPRIGHT).read(scene((200, 150, 400, 350)))
    assert_found(found, (200, 150, 400, 350), atol=16)


def test_crop_has_the_size_that_the_model_sees() -> None:
    engine = BrightSpot()
    HandReader(engine, SPEC).read(dark())
    assert {crop.shape for crop in engine.crops} == {(SIZE_PX, SIZE_PX)}
