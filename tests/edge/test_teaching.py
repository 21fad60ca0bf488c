"""A teaching session: recording, learning and forgetting, as the page asks for it."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.predictions import LIVE, prediction
from support.signed_letters import make_examples

from edge.personalize.correction import CorrectedEngine
from edge.personalize.taught_file import TaughtFile
from edge.personalize.teaching import TeachingSession
from edge.records import LETTERS, Array, Frame, Hand, LoopStep, Output

MODEL = "ab" * 32  # sha256


class Signer:
    """An engine and a person: signs `letter`, and reads something else."""

    def __init__(self, reads: dict[str, str]) -> None:
        self.letter, self._reads, self._seed = "M", reads, 0

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        self._seed += 1
        one = make_examples(self.letter, self._reads[self.letter], self._seed, count=1)
        landmarks = np.zeros((1, 21, 2), np.float32)
        return Output(one.logits, np.array([5.0], np.float32), landmarks, one.features)


def read_letter(engine: CorrectedEngine) -> str:
    return LETTERS[int(engine(np.zeros((1, 3, 8, 8), np.float32)).letters.argmax())]


def session_of(engine: CorrectedEngine, folder: Path) -> TeachingSession:
    return TeachingSession(engine, TaughtFile(MODEL, folder), 1.0, True)


def record(
    teaching: TeachingSession,
    engine: CorrectedEngine,
    start_t: float,
    hand: bool = True,
    still: bool = False,
) -> None:
    """Twelve seconds of frames, each read with one view, or without a hand."""
    for number in range(120):
        t = start_t + number / 10
        shown = prediction("M" if hand else None, t, Hand((0.0, 0.0, 9.0, 9.0), None, 0.9) if hand else None)
        if hand:
            output = engine(np.zeros((1, 3, 8, 8), np.float32))
            assert output.features is not None
            shown = replace(shown, features=output.features[0], logits=output.letters[0])
        frame = Frame(np.zeros((8, 8, 3), np.uint8), t, number)
        teaching.observe(LoopStep(LIVE, frame, shown, still=still))


def test_page_records_letters_learns_and_forgets(tmp_path: Path) -> None:
    signer = Signer({"M": "N", "N": "M"})
    engine = CorrectedEngine(signer)
    teaching = session_of(engine, tmp_path)
    for number, letter in enumerate("MN"):
        signer.letter = letter
        teaching.request(letter, lambda call: call())
        assert teaching.status()["recording"] == letter
        record(teaching, engine, 1.0 + 100 * number)
    assert set(teaching.status()["kept"]) == {"M", "N"}  # type: ignore[call-overload]
    teaching.request("learn", lambda call: call())
    for thread in threading.enumerate():
        if thread.name == "teaching":
            thread.join()
    assert "0% right before, 100% after" in teaching.message
    assert read_letter(engine) == "N"
    again = CorrectedEngine(signer)
    session_of(again, tmp_path).restore()
    assert read_letter(again) == "N"
    teaching.request("forget", lambda call: call())
    assert read_letter(engine) == "M"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_forgotten_while_it_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CorrectedEngine(Signer({"M": "N"}))
    teaching = session_of(engine, tmp_path)
    teaching.record("M")
    record(teaching, engine, 1.0)
    go_on = threading.Event()
    monkeypatch.setattr(teaching, "examples", lambda: (go_on.wait(), TeachingSession.examples(teaching))[1])
    teaching.start_learning()
    teaching.forget()
    assert teaching.status()["busy"]
    assert teaching.status()["kept"] != {}
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "teaching":
            thread.join()
    assert "after, on" in teaching.message
    teaching.forget()
    assert (teaching.status()["kept"], list(tmp_path.iterdir())) == ({}, [])


def test_recording_without_a_hand_ends_and_keeps_nothing(tmp_path: Path) -> None:
    engine = CorrectedEngine(Signer({"M": "M"}))
    teaching = session_of(engine, tmp_path)
    teaching.record("M")
    record(teaching, engine, 1.0, hand=False)
    assert (teaching.recording, teaching.status()["kept"]) == (None, {})
    assert "hardly visible" in teaching.message


def test_frames_that_were_not_read_are_not_recorded(tmp_path: Path) -> None:
    engine = CorrectedEngine(Signer({"M": "M"}))
    teaching = session_of(engine, tmp_path)
    teaching.record("M")
    record(teaching, engine, 1.0, still=True)
    assert (teaching.recording, teaching.status()["kept"]) == (None, {})


@pytest.mark.parametrize("how", ["cancelled", "another letter", "no hand"])
def test_recording_that_is_given_up_keeps_the_old_examples(tmp_path: Path, how: str) -> None:
    engine = CorrectedEngine(Signer({"M": "N"}))
    teaching = session_of(engine, tmp_path)
    teaching.record("M")
    record(teaching, engine, 1.0)
    kept = teaching.status()["kept"]
    teaching.record("M")
    if how == "no hand":
        record(teaching, engine, 100.0, hand=False)
    else:
        teaching.record("M" if how == "cancelled" else "N")
    assert teaching.status()["kept"] == kept != {}
    assert teaching.recordings == 1


def test_package_without_features_says_so_and_records_nothing(tmp_path: Path) -> None:
    teaching = TeachingSession(CorrectedEngine(Signer({})), TaughtFile(MODEL, tmp_path), 1.0, False)
    teaching.restore()
    teaching.record("M")
    assert teaching.recording is None
    assert teaching.message.startswith("This model has no features")
