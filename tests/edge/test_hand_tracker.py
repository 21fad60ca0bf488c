"""Streams: a hand is searched for once, then tracked with one view a frame until it is lost or in doubt."""

from collections.abc import Callable
from dataclasses import replace

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

from edge.geometry import box_around
from edge.hand.palm_detector import Palm, PalmDetector
from edge.hand.tracker import SEARCH_EVERY_S, HandTracker
from edge.hand.view import UPRIGHT_WEIGHT
from edge.personalize.correction import CorrectedEngine
from edge.records import LETTERS, Array, Frame, Image, Output, Prediction

HAND = scene((200, 200, 280, 300))


def follow(tracker: HandTracker, images: list[Image], frame_s: float = 1 / 30) -> list[Prediction]:
    return [tracker.follow(Frame(image, i * frame_s, i)) for i, image in enumerate(images)]


def counting(*palms: Palm) -> tuple[PalmDetector, Callable[[], int]]:
    """A detector that finds these palms, and how often it ran."""
    runs: list[Image] = []

    def find_palms(image: Image) -> list[Palm]:
        runs.append(image)
        return list(palms)

    return find_palms, lambda: len(runs)


def box_of(prediction: Prediction) -> tuple[float, float, float, float]:
    assert prediction.hand is not None
    assert prediction.hand.landmarks is not None
    return box_around(prediction.hand.landmarks)


def test_tracked_hand_needs_no_palm_detector() -> None:
    find_palms, runs = counting(Palm((240.0, 250.0, 200.0), 0.0))
    predictions = follow(HandTracker(BrightSpot(), SPEC, palm_detector=find_palms), [HAND] * 4)
    assert all(prediction.hand is not None for prediction in predictions)
    assert runs() == 1


def test_tracking_costs_one_inference_a_frame() -> None:
    engine = BrightSpot()
    tracker = HandTracker(engine, SPEC)
    tracker.follow(Frame(HAND, 0.0, 0))
    searched = len(engine.crops)
    for i in range(1, 6):
        x = 200 + 10 * i
        found = tracker.follow(Frame(scene((x, 200, x + 80, 300)), i / 30, i))
        assert (found.letter, found.t) == ("C", i / 30)
    assert len(engine.crops) - searched == 5


def test_tracked_finger_is_left_for_the_hand_within_a_second() -> None:
    find_palms, runs = counting(Palm((320.0, 240.0, 60.0), 0.0))

    def stuck_to_a_finger(tensor: Array, upright: bool = False) -> Output:
        """What fills the crop looks like a hand, too, that never grows."""
        output = unsure_of_what_fills_the_crop(tensor)
        if (tensor[0].mean(axis=0) > 1.0).mean() > 0.95:
            output.landmarks[:] = 0.5 + 0.28 * np.sign(output.landmarks - 0.5)
        return output

    tracker = HandTracker(stuck_to_a_finger, SPEC, palm_detector=find_palms)
    predictions = follow(tracker, [scene((120, 60, 520, 420))] * 16, SEARCH_EVERY_S / 15)
    for prediction in predictions[:15]:
        x0, _, x1, _ = box_of(prediction)
        assert x1 - x0 < 100
    np.testing.assert_allclose(box_of(predictions[15]), (120, 60, 520, 420), atol=12)
    assert runs() == 2


def test_hand_whose_letter_is_unsure_is_searched_for_once_a_second() -> None:
    find_palms, runs = counting(Palm((240.0, 250.0, 200.0), 0.0))
    engine = BrightSpot()

    def unsure(tensor: Array, upright: bool = False) -> Output:
        output = engine(tensor)
        return Output(output.letters * 0, output.presence, output.landmarks)

    predictions = follow(HandTracker(unsure, SPEC, palm_detector=find_palms), [HAND] * 45, 1 / 15)
    assert all(prediction.hand is not None for prediction in predictions)
    assert runs() == 3


def test_first_frame_is_searched_with_two_views_of_a_palm_or_else_in_the_whole_picture() -> None:
    palms = [Palm((50.0, 50.0, 100.0), 0.0), Palm((200.0, 200.0, 300.0), 0.5)]
    for spec, first in ((SPEC, False), (READS_UPRIGHT, True)):
        found, nothing = BrightSpot(), BrightSpot()
        image = scene((150, 150, 250, 250))
        assert follow(HandTracker(found, spec, 0.0, lambda _: palms), [image])[0].letter == "C"
        assert found.upright == [first, first, False]  # the first palm is dark
        follow(HandTracker(nothing, spec, 0.0, lambda _: palms), [dark()])
        assert nothing.upright == [first, first, False]


def test_first_view_of_a_palm_is_rotated_as_the_detector_says() -> None:
    engine = BrightSpot()
    palm = Palm((320.0, 240.0, 240.0), np.pi / 2)
    follow(HandTracker(engine, READS_UPRIGHT, 0.0, lambda _: [palm]), [scene((320, 220, 420, 260))])
    ys, xs = np.nonzero(engine.crops[0])  # it points right in the picture, and up in the crop
    assert ys.max() <= SIZE_PX / 2
    assert np.ptp(ys) > 2 * np.ptp(xs)


def test_hand_that_jumps_away_is_found_again_in_the_same_frame() -> None:
    tracker = HandTracker(BrightSpot(), SPEC)
    found = follow(tracker, [scene((20, 20, 100, 120)), scene((500, 300, 580, 400))], 0.1)[1]
    np.testing.assert_allclose(box_of(found), (500, 300, 580, 400), atol=12)


def test_lost_hand_is_searched_for_in_every_frame() -> None:
    find_palms, runs = counting()
    predictions = follow(HandTracker(BrightSpot(), SPEC, palm_detector=find_palms), [dark()] * 3)
    assert [prediction.hand for prediction in predictions] == [None] * 3
    assert runs() == 3


def test_every_other_view_of_a_tracked_hand_is_upright() -> None:
    engine = BrightSpot()
    predictions = follow(HandTracker(engine, READS_UPRIGHT), [HAND] * 5)
    assert [prediction.letter for prediction in predictions] == ["C"] * 5
    assert engine.upright[-4:] == [True, False, True, False]


def test_upright_views_count_by_their_weight() -> None:
    class Disagrees(BrightSpot):
        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            self.letter = "U" if upright else "H"
            return super().__call__(tensor, upright)

    found = follow(HandTracker(Disagrees(), READS_UPRIGHT), [HAND] * 4)[-1]
    probabilities = dict(found.top())
    assert found.letter == "H"
    expected = SURE * (1 - UPRIGHT_WEIGHT) / (1 + UPRIGHT_WEIGHT)
    assert np.log(probabilities["H"] / probabilities["U"]) == pytest.approx(expected, rel=1e-4)


def test_upright_views_do_not_tell_a_j_from_an_i() -> None:
    class TakesJForI(BrightSpot):
        def __call__(self, tensor: Array, upright: bool = False) -> Output:
            output = super().__call__(tensor, upright)
            output.letters[0] = 0
            for letter, logit in {"I": 30.0, "J": 0.0}.items() if upright else {"I": 4.0, "J": 5.0}.items():
                output.letters[0, LETTERS.index(letter)] = logit
            return output

    predictions = follow(HandTracker(TakesJForI(), READS_UPRIGHT), [HAND] * 3)
    assert [prediction.letter for prediction in predictions] == ["J"] * 3
    probabilities = dict(predictions[-1].top())
    assert np.log(probabilities["J"] / probabilities["I"]) == pytest.approx(1.0, rel=1e-4)


def test_landmarks_of_upright_views_lie_where_the_others_do() -> None:
    found = follow(HandTracker(BrightSpot(), READS_UPRIGHT), [HAND] * 2)[-1]
    x0, y0, x1, y1 = box_of(found)
    np.testing.assert_allclose(((x0 + x1) / 2, (y0 + y1) / 2), (240, 250), atol=8)


class WithFeatures(BrightSpot):
    """Numbers its outputs: the features of the n-th are [n]."""

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        output = super().__call__(tensor, upright)
        return replace(output, features=np.array([[len(self.crops)]], np.float32))


def test_tracked_frame_carries_the_features_of_its_only_view() -> None:
    engine = WithFeatures()
    first, second = follow(HandTracker(engine, SPEC), [HAND] * 2)
    assert first.features is None  # several places were viewed in the search
    assert second.features is not None
    assert second.features.tolist() == [len(engine.crops)]
    assert follow(HandTracker(WithFeatures(), SPEC), [HAND, dark()])[1].features is None


def test_tracked_frame_carries_the_logits_before_the_correction() -> None:
    engine = CorrectedEngine(WithFeatures("C"), lambda features, logits: 99.0 * (np.arange(26) == 0))  # type: ignore[arg-type]
    found = follow(HandTracker(engine, SPEC), [HAND] * 2)[1]
    assert found.letter == "A"
    assert found.logits is not None
    assert LETTERS[int(found.logits.argmax())] == "C"
