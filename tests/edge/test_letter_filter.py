"""The letter filter, with properties that must hold for any stream of predictions."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.predictions import prediction

from edge.letters.filter import (
    AGREEING_FRACTION,
    MAX_GAP_S,
    MAX_TEXT,
    MIN_FRAMES,
    RELEASED_FRACTION,
    ROUNDING_S,
    LetterFilter,
)
from edge.records import LETTERS, Hand, LetterEvent, Prediction
from edge.settings import Settings

HAND = Hand((0.0, 0.0, 10.0, 10.0), None, 0.9)
NO_HAND = "-"  # in a script; "." stands for a hand whose letter is unsure


def make_prediction(sign: str, t: float, confidence: float = 0.9) -> Prediction:
    letter = sign if sign in LETTERS else None
    return prediction(letter, t, None if sign == NO_HAND else HAND, confidence)


def find_events(predictions: list[Prediction], letters: LetterFilter | None = None) -> list[LetterEvent]:
    letters = letters or LetterFilter()
    return [event for p in predictions if (event := letters.update(p)) is not None]


def sign_script(
    script: list[tuple[str, float]], fps: float = 30.0, start_s: float = 100.0
) -> list[Prediction]:
    """Return one prediction per frame for a script of (sign, seconds)."""
    ends = np.cumsum([seconds for _, seconds in script])
    times = np.arange(0, ends[-1], 1 / fps)
    return [make_prediction(script[int(np.searchsorted(ends, t, "right"))][0], start_s + t) for t in times]


def read_text(script: list[tuple[str, float]], fps: float = 30.0) -> str:
    events = find_events(sign_script(script, fps))
    return events[-1].text if events else ""


def test_held_letter_is_sent_once() -> None:
    events = find_events(sign_script([("A", 10.0)]))
    assert [event.letter for event in events] == ["A"]
    assert events[0].t_start == 100.0
    assert 0.5 <= events[0].t_end - events[0].t_start <= 0.55
    assert events[0].confidence == pytest.approx(0.9)


@pytest.mark.parametrize("start_s", [0.0, 100.0, 1e6])
@pytest.mark.parametrize("hold_s", [0.3, 0.5, 0.6])
def test_long_uptime_does_not_change_the_hold_time(hold_s: float, start_s: float) -> None:
    events = find_events(sign_script([("A", 2.0)], start_s=start_s), LetterFilter(hold_s))
    assert events[0].t_end - start_s == pytest.approx(hold_s, abs=1e-6)


def test_letter_held_too_briefly_is_not_sent() -> None:
    assert read_text([("A", 0.4), (NO_HAND, 1.0)]) == ""


def test_two_frames_never_send_a_letter() -> None:
    assert find_events([make_prediction("A", 0.0), make_prediction("A", 1.0)]) == []


def test_one_wrong_frame_in_five_does_not_hide_a_held_letter() -> None:
    signs = "AAAAB" * 6
    events = find_events([make_prediction(sign, i / 30) for i, sign in enumerate(signs)])
    assert [event.letter for event in events] == ["A"]


def test_confidence_is_the_mean_over_the_agreeing_frames() -> None:
    confidences = (0.6, 0.8, 0.1, 0.7)
    stream = [make_prediction("B" if c == 0.1 else "A", i * 0.2, c) for i, c in enumerate(confidences)]
    assert find_events(stream)[0].confidence == pytest.approx(0.7)


def test_double_letter_needs_a_release() -> None:
    assert read_text([("L", 2.0)]) == "L"
    assert read_text([("L", 1.0), (NO_HAND, 0.1), ("L", 1.0)]) == "L"
    assert read_text([("L", 1.0), (NO_HAND, 0.4), ("L", 1.0)]) == "LL"


def test_unsure_shape_or_another_letter_separates_double_letters() -> None:
    assert read_text([("L", 1.0), (".", 0.4), ("L", 1.0)]) == "LL"
    assert read_text([("L", 1.0), ("C", 0.4), ("L", 1.0)]) == "LL"
    assert read_text([("L", 1.0), ("C", 1.0), ("L", 1.0)]) == "LCL"


def test_stalled_camera_neither_releases_nor_holds_a_letter() -> None:
    first, second = sign_script([("A", 0.4)]), sign_script([("A", 0.4)], start_s=110.0)
    assert find_events(first + second) == []
    held = sign_script([("A", 1.0)]) + sign_script([("A", 1.0)], start_s=110.0)
    assert [event.text for event in find_events(held)] == ["A"]


def test_absent_hand_makes_one_space_between_letters_and_none_at_either_end() -> None:
    script = [(NO_HAND, 3.0), ("H", 1.0), ("I", 1.0), (NO_HAND, 5.0), ("A", 1.0), (NO_HAND, 9.0)]
    assert [event.text for event in find_events(sign_script(script))] == ["H", "HI", "HI A"]


def test_short_absence_between_double_letters_makes_no_space() -> None:
    word = [("H", 1.0), ("E", 1.0), ("L", 1.0), (NO_HAND, 1.0), ("L", 1.0), ("O", 1.0), (NO_HAND, 9.0)]
    assert read_text(word) == "HELLO"


def test_spaces_can_be_switched_off() -> None:
    events = find_events(sign_script([("A", 1.0), (NO_HAND, 9.0), ("B", 1.0)]), LetterFilter(space_s=0))
    assert events[-1].text == "AB"


def test_text_keeps_the_latest_letters_only() -> None:
    letters = LetterFilter(hold_s=0.05)
    script = [("AB"[i % 2], 0.3) for i in range(MAX_TEXT + 10)]
    events = find_events(sign_script(script, fps=20.0), letters)
    assert len(events) > MAX_TEXT
    assert len(events[-1].text) == MAX_TEXT
    assert events[-1].text.endswith(events[-1].letter)


def test_text_is_kept_when_the_clock_restarts() -> None:
    predictions = sign_script([("A", 1.0)]) + sign_script([("B", 1.0)], start_s=0.0)
    assert [event.text for event in find_events(predictions)] == ["A", "AB"]


def test_frame_given_twice_counts_once() -> None:
    twice = [p for p in sign_script([("A", 0.4)]) for _ in range(5)]
    assert find_events(twice) == []


SIGNS = st.sampled_from("AAAABBN.-")  # few, and repeated: signs from the whole alphabet would hold no letter
STREAMS = st.lists(st.tuples(SIGNS, st.integers(1, 12), st.floats(0.01, 0.6)), max_size=25)
SPANS_S = st.floats(0.05, 2.0)


def build_stream(runs: list[tuple[str, int, float]]) -> list[Prediction]:
    """Return the predictions for runs of (sign, frames, seconds between frames)."""
    steps = [(sign, gap_s) for sign, frames, gap_s in runs for _ in range(frames)]
    times = np.cumsum([gap_s for _, gap_s in steps])
    return [make_prediction(sign, float(t)) for (sign, _), t in zip(steps, times, strict=True)]


@given(STREAMS, SPANS_S, SPANS_S)
def test_event_spans_the_hold_time_and_most_of_its_frames_agree(
    runs: list[tuple[str, int, float]], hold_s: float, release_s: float
) -> None:
    stream = build_stream(runs)
    for event in find_events(stream, LetterFilter(hold_s, release_s)):
        held = [p for p in stream if event.t_start <= p.t <= event.t_end]
        agreeing = [p for p in held if p.letter == event.letter]
        assert event.t_end - event.t_start >= hold_s - ROUNDING_S
        assert len(agreeing) >= MIN_FRAMES
        assert len(agreeing) > AGREEING_FRACTION * len(held)


@given(STREAMS, SPANS_S, SPANS_S)
def test_same_letter_is_never_sent_twice_without_a_release(
    runs: list[tuple[str, int, float]], hold_s: float, release_s: float
) -> None:
    stream = build_stream(runs)
    for first, second in pairwise(find_events(stream, LetterFilter(hold_s, release_s))):
        if first.letter != second.letter:
            continue
        between = [p for p in stream if first.t_end <= p.t <= second.t_end]
        assert any(
            end.t - begin.t >= release_s - ROUNDING_S and is_rare(first.letter, between[i : j + 1])
            for i, begin in enumerate(between)
            for j, end in enumerate(between)
        )


def is_rare(letter: str, span: list[Prediction]) -> bool:
    return sum(p.letter == letter for p in span) < RELEASED_FRACTION * len(span)


@given(STREAMS)
def test_events_do_not_overlap_and_spell_the_text(runs: list[tuple[str, int, float]]) -> None:
    events = find_events(build_stream(runs))
    for first, second in pairwise(events):
        assert first.t_start < first.t_end <= second.t_start < second.t_end
    for count, event in enumerate(events, 1):
        assert event.text.replace(" ", "") == "".join(e.letter for e in events[:count])
        assert event.text == event.text.strip()
        assert "  " not in event.text


@given(st.lists(st.tuples(SIGNS, st.floats(-3.0, 5.0)), max_size=80))
def test_no_event_spans_a_stall_or_a_clock_that_stepped_back(steps: list[tuple[str, float]]) -> None:
    letters, t, restart_t = LetterFilter(), 50.0, 50.0
    for sign, passed_s in steps:
        before, t = t, t + passed_s
        if not 0 <= t - before <= MAX_GAP_S:  # passed_s can be lost in the rounding of t
            restart_t = t
        event = letters.update(make_prediction(sign, t))
        assert event is None or event.t_start >= restart_t - 1e-6


@given(st.lists(st.sampled_from("ABMN."), max_size=120), st.floats(0.01, 0.6))
def test_letters_that_change_with_every_frame_send_nothing(signs: list[str], gap_s: float) -> None:
    changing = [sign for i, sign in enumerate(signs) if i == 0 or sign != signs[i - 1]]
    assert find_events([make_prediction(sign, i * gap_s) for i, sign in enumerate(changing)]) == []


@given(st.integers(0, 10_000), st.floats(25.0, 60.0))
def test_shuffled_noise_sends_nothing(seed: int, fps: float) -> None:
    noise = np.random.default_rng(seed).permutation(list(LETTERS) * 20)
    assert find_events([make_prediction(str(sign), i / fps) for i, sign in enumerate(noise)]) == []


WORDS = st.text("ABC", min_size=1, max_size=6)


@given(WORDS, st.floats(6.0, 60.0))
def test_word_is_read_the_same_at_every_frame_rate(word: str, fps: float) -> None:
    script: list[tuple[str, float]] = []
    for i, letter in enumerate(word):
        if i and letter == word[i - 1]:
            script.append((NO_HAND, 0.9))
        script += [(letter, 1.0), (".", 0.1)]
    assert read_text(script, fps) == word


def test_text_can_be_edited() -> None:
    letters = LetterFilter()
    for action, text in (("space", ""), ("delete", "")):
        letters.edit(action)
        assert letters.text == text
    for index in range(12):
        letters.update(prediction("A", index / 10, HAND))
    letters.edit("space")
    letters.edit("space")
    assert letters.text == "A "
    letters.edit("delete")
    assert letters.text == "A"
    letters.edit("clear")
    assert letters.text == ""
    with pytest.raises(ValueError, match="expected space, delete or clear, got 'shout'"):
        letters.edit("shout")


def test_defaults_equal_those_of_the_settings() -> None:
    defaults = {name: p.default for name, p in inspect.signature(LetterFilter).parameters.items()}
    assert defaults == {name: getattr(Settings(), name) for name in defaults}
