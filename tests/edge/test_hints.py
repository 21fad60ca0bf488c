"""Each reason why no letter is read, from pictures and predictions that show it."""

import cv2
import numpy as np
from support.predictions import prediction

from edge.observe.hints import HintTracker
from edge.records import Box, Frame, Hand, Hint, Image, LetterEvent

SIDE = 200
HAND = (70.0, 70.0, 130.0, 130.0)


def picture(grey: float = 128, blur: float = 0.0) -> Image:
    """(200, 200, 3): a fine pattern around a grey."""
    noise = np.random.default_rng(0).normal(grey, 25, (SIDE, SIDE)).clip(0, 255).astype(np.float32)
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.repeat(noise.astype(np.uint8)[:, :, None], 3, axis=2)


def hand_at(box: Box = HAND) -> Hand:
    around = np.linspace(0, 2 * np.pi, 21)
    centre, half = np.add(box[:2], box[2:]) / 2, np.subtract(box[2:], box[:2]) / 2
    return Hand(box, (centre + np.stack([np.cos(around), np.sin(around)], 1) * half).astype(np.float32), 0.9)


def hint_after(
    hints: HintTracker,
    start_t: float,
    seconds: float,
    letters: str = "M",
    image: Image | None = None,
    boxes: tuple[Box, ...] = (HAND,),
    probability: float = 0.9,
) -> Hint:
    """Return the hint after some seconds at 10 frames a second; `letters` and `boxes` repeat."""
    image, said = picture() if image is None else image, Hint("", "")
    for number in range(round(10 * seconds)):
        letter, t = letters[number % len(letters)], start_t + number / 10
        hand = None if letter == "-" else hand_at(boxes[number % len(boxes)])
        shown = prediction(letter if hand else None, t, hand, probability, second="N")
        said = hints.update(Frame(image, t, number), shown, None)
    return said


def test_no_hand() -> None:
    assert hint_after(HintTracker(), 0, 1, "-") == Hint("no_hand", "No hand is seen.")


def test_too_dark_and_too_bright_with_and_without_a_hand() -> None:
    for letters in ("-", "M"):
        assert hint_after(HintTracker(), 0, 1, letters, picture(10)).kind == "dark"
        assert (
            hint_after(HintTracker(), 0, 1, letters, np.full((SIDE, SIDE, 3), 250, np.uint8)).kind == "bright"
        )


def test_hand_that_is_cut_off_names_the_edge() -> None:
    for box, edge in (
        ((-20.0, 70.0, 40.0, 130.0), "left edge"),
        ((160.0, 70.0, 220.0, 130.0), "right edge"),
        ((70.0, -20.0, 130.0, 40.0), "top"),
        ((70.0, 160.0, 130.0, 220.0), "bottom"),
    ):
        assert hint_after(HintTracker(), 0, 1, boxes=(box,)) == Hint(
            "cut", f"The hand is cut off at the {edge}: move it into the picture."
        )


def test_hand_that_left_at_an_edge_is_mentioned_for_a_moment() -> None:
    hints = HintTracker()
    hint_after(hints, 0, 1, boxes=((-20.0, 70.0, 40.0, 130.0),))
    assert hint_after(hints, 1.0, 0.8, "-") == Hint("cut", "The hand left the picture at the left edge.")
    assert hint_after(hints, 1.8, 2, "-").kind == "no_hand"


def test_hand_that_moves_and_is_less_sharp_than_before_is_blurred() -> None:
    hints = HintTracker()
    hint_after(hints, 0, 1)
    there = tuple((40.0 + 20 * i, 70.0, 100.0 + 20 * i, 130.0) for i in range(4))
    assert hint_after(hints, 1.0, 1, image=picture(blur=3), boxes=there).kind == "blurred"
    # as blurred, but still: it is out of focus, and letters are read nevertheless
    assert hint_after(hints, 2.0, 2, image=picture(blur=3)).kind == "hold"


def test_two_letters_with_similar_probabilities_are_named() -> None:
    assert hint_after(HintTracker(), 0, 1, probability=0.52) == Hint("unsure", "Not sure between M and N.")


def test_letter_that_was_held_too_short_is_named_with_its_time() -> None:
    hints = HintTracker(hold_s=0.8)
    hint_after(hints, 0, 0.4, "V")
    assert hint_after(hints, 0.4, 0.8, "-") == Hint("short", "V was held too short: 0.4 s of 0.8 s.")


def test_letter_being_held_gives_a_hint_and_a_letter_that_was_read_gives_none() -> None:
    hints = HintTracker()
    assert hint_after(hints, 0, 0.5) == Hint("hold", "Hold it: M.")
    shown = prediction("M", 0.5, hand_at(), second="N")
    event = LetterEvent("M", 0.9, 0.0, 0.5, "M")
    assert hints.update(Frame(picture(), 0.5, 5), shown, event) == Hint("", "")
    assert hint_after(hints, 0.6, 1) == Hint("", "")


def test_hint_of_a_moment_is_not_shown() -> None:
    hints = HintTracker()
    hint_after(hints, 0, 1)
    assert hint_after(hints, 1.0, 0.2, "-").kind == "hold"


def test_camera_that_was_away_resets_the_hints() -> None:
    hints = HintTracker()
    hint_after(hints, 0, 1)
    assert hint_after(hints, 100.0, 1, "-").kind == "no_hand"
