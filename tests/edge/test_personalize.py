"""Teaching: what it changes, what it leaves alone, what it keeps and refuses."""

import threading
from pathlib import Path

import numpy as np
import pytest

from edge.errors import TeachError
from edge.package import open_package
from edge.personalize.correction import (
    Belongs,
    Examples,
    TaughtEngine,
    belongs_of,
    can_be_kept,
    fit,
    forget,
    load,
    save,
    share_right,
)
from edge.personalize.teaching import Teaching, learn
from edge.records import LETTERS, Array, Frame, Hand, LoopStep, Output, Prediction

F = 32  # features
ONE, OTHER = "ab" * 32, "cd" * 32  # models' sha256


def signed(letters: str, reads: str, seed: int, count: int = 8) -> Examples:
    """`count` examples of each letter, around a direction of its own; the network reads `reads` instead."""
    rng = np.random.default_rng(seed)
    features, logits, truth = [], [], []
    for letter, said in zip(letters, reads, strict=True):
        centre = np.random.default_rng(ord(letter)).normal(size=F)
        for _ in range(count):
            features.append(centre + rng.normal(0, 0.2, F))
            logits.append(3.0 * (np.arange(26) == LETTERS.index(said)) + rng.normal(0, 0.1, 26))
            truth.append(LETTERS.index(letter))
    return Examples(np.array(features, np.float32), np.array(logits, np.float32), np.array(truth))


def test_letters_that_are_mixed_up_are_told_apart_after_teaching() -> None:
    lesson, correction = learn(signed("MNE", "NME", 0), 1.0)
    assert (round(lesson.before, 2), lesson.after, lesson.held_back) == (0.33, 1.0, 12)
    assert share_right(signed("MNE", "NME", 1), correction) == 1.0
    assert "33% right before, 100% after" in lesson.sentence


def test_letter_that_was_not_taught_and_is_read_right_stays_so() -> None:
    correction = fit(signed("MN", "NM", 0), 1.0)
    others = signed("ABCDEFGH", "ABCDEFGH", 2)
    assert np.array_equal(correction(others.features, others.logits), np.zeros_like(others.logits))


def test_teacher_is_told_which_letter_to_sign_too() -> None:
    lesson, _ = learn(signed("N", "E", 0), 1.0)
    assert not lesson.helps
    assert lesson.sentence.endswith("so it is not used. N is still read as E: sign E, too.")


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(TeachError, match="each letter needs at least 4 examples"):
        learn(signed("MN", "MN", 0, count=1), 1.0)


def test_what_is_saved_is_loaded_and_forgotten(tmp_path: Path) -> None:
    belongs, examples = Belongs(ONE, tmp_path / "new"), signed("MN", "NM", 0)
    assert load(belongs) is None
    save(examples, belongs)
    again = load(belongs)
    assert again is not None
    assert np.array_equal(again.letters, examples.letters)
    assert np.allclose(again.features, examples.features, atol=0.01)
    assert [path.name for path in belongs.folder.iterdir()] == ["taught-abababababab.npz"]
    assert (forget(belongs), forget(belongs), load(belongs)) == (True, False, None)


def test_file_of_another_model_is_refused_and_left_alone(tmp_path: Path) -> None:
    one, other = Belongs(ONE, tmp_path), Belongs(OTHER, tmp_path)
    save(signed("MN", "NM", 0), one)
    assert load(other) is None
    one.path.rename(other.path)
    with pytest.raises(TeachError, match=r"to another model \(abababababab, this one is cdcdcdcdcdcd\)"):
        load(other)
    assert other.path.exists()


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_damaged_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    belongs = Belongs(ONE, tmp_path)
    belongs.path.write_bytes(data)
    with pytest.raises(TeachError, match="forget it with asl-edge teach --forget"):
        load(belongs)


def test_flipped_bytes_are_one_sentence_wherever_they_lie(tmp_path: Path) -> None:
    belongs = Belongs(ONE, tmp_path, F)
    save(signed("MN", "NM", 0), belongs)
    whole = belongs.path.read_bytes()
    for start in range(0, len(whole), 97):
        belongs.path.write_bytes(
            whole[:start] + bytes(b ^ 0x5A for b in whole[start : start + 10]) + whole[start + 10 :]
        )
        said = "forget it with asl-edge teach --forget"
        try:
            load(belongs)  # a byte that nothing reads may be another
        except TeachError as error:
            said = str(error)
        assert "forget it with asl-edge teach --forget" in said


@pytest.mark.parametrize("what", ["letter", "width", "nan"])
def test_file_that_makes_no_sense_is_one_sentence(tmp_path: Path, what: str) -> None:
    belongs, examples = Belongs(ONE, tmp_path, F), signed("MN", "NM", 0)
    if what == "letter":
        examples.letters[0] = 77
    elif what == "width":
        examples = Examples(examples.features[:, :-1], examples.logits, examples.letters)
    else:
        examples.features[3, 3] = np.nan
    save(examples, belongs)
    with pytest.raises(TeachError, match="does not hold what was taught: forget it"):
        load(belongs)


def test_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    belongs = Belongs(ONE, tmp_path / "file")
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        save(signed("M", "M", 0), belongs)
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        can_be_kept(belongs)


def test_save_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    belongs = Belongs(ONE, tmp_path)
    can_be_kept(belongs)
    (belongs.path / "in the way").mkdir(parents=True)
    with pytest.raises(TeachError, match="can't be kept"):
        save(signed("M", "M", 0), belongs)
    assert list(tmp_path.iterdir()) == [belongs.path]


def test_what_is_saved_is_its_owners_alone(tmp_path: Path) -> None:
    belongs = Belongs(ONE, tmp_path)
    save(signed("M", "M", 0), belongs)
    assert belongs.path.stat().st_mode & 0o077 == 0


def test_services_state_directory_is_the_usual_place(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
    assert belongs_of(package, "int8", "").folder == tmp_path / "a"
    assert belongs_of(package, "int8", "mine").folder == Path("mine")
    assert belongs_of(package, "int8", "").sha256 == package.metadata["files"]["int8"]["sha256"]


class Signer:
    """An engine and a person: signs what it is told, and is read as something else."""

    def __init__(self, reads: dict[str, str]) -> None:
        self.letter, self._reads, self._seed = "M", reads, 0

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        self._seed += 1
        one = signed(self.letter, self._reads[self.letter], self._seed, count=1)
        landmarks = np.zeros((1, 21, 2), np.float32)
        return Output(one.logits, np.array([5.0], np.float32), landmarks, one.features)


def look(engine: TaughtEngine) -> str:
    return LETTERS[int(engine(np.zeros((1, 3, 8, 8), np.float32)).letters.argmax())]


def record(teaching: Teaching, engine: TaughtEngine, start_t: float, hand: bool = True) -> None:
    for number in range(120):
        look(engine)
        t = start_t + number / 10
        seen = Hand((0.0, 0.0, 9.0, 9.0), None, 0.9) if hand else None
        frame = Frame(np.zeros((8, 8, 3), np.uint8), t, number)
        teaching.turn(LoopStep(frame, Prediction("M" if hand else None, 0.9, seen, t)))


def test_page_records_letters_learns_and_forgets(tmp_path: Path) -> None:
    signer = Signer({"M": "N", "N": "M"})
    engine = TaughtEngine(signer)
    teaching = Teaching(engine, Belongs(ONE, tmp_path), 1.0, True)
    for number, letter in enumerate("MN"):
        signer.letter = letter
        teaching.wish(letter, lambda wish: wish())
        assert teaching.words()["recording"] == letter
        record(teaching, engine, 1.0 + 100 * number)
    assert set(teaching.words()["kept"]) == {"M", "N"}  # type: ignore[call-overload]
    teaching.wish("learn", lambda wish: wish())
    for thread in threading.enumerate():
        if thread.name == "teaching":
            thread.join()
    assert "0% right before, 100% after" in teaching.says
    assert look(engine) == "N"
    again = TaughtEngine(signer)
    Teaching(again, Belongs(ONE, tmp_path), 1.0, True).restore()
    assert look(again) == "N"
    teaching.wish("forget", lambda wish: wish())
    assert look(engine) == "M"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_forgotten_while_it_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TaughtEngine(Signer({"M": "N"}))
    teaching = Teaching(engine, Belongs(ONE, tmp_path), 1.0, True)
    teaching.record("M")
    record(teaching, engine, 1.0)
    go_on = threading.Event()
    monkeypatch.setattr(teaching, "examples", lambda: (go_on.wait(), Teaching.examples(teaching))[1])
    teaching.start_learning()
    teaching.forget()
    assert teaching.words()["busy"]
    assert teaching.words()["kept"] != {}
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "teaching":
            thread.join()
    assert "after, on" in teaching.says
    teaching.forget()
    assert (teaching.words()["kept"], list(tmp_path.iterdir())) == ({}, [])


def test_user_without_a_home_has_nothing_taught_or_names_a_folder(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    for name in ("HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 98765)  # of nobody in /etc/passwd
    assert belongs_of(package, "int8", str(tmp_path)).folder == tmp_path
    belongs = belongs_of(package, "int8", "")
    assert belongs.folder == Path("/nonexistent/asl-edge")
    assert load(belongs) is None


def test_recording_without_a_hand_ends_and_keeps_nothing(tmp_path: Path) -> None:
    engine = TaughtEngine(Signer({"M": "M"}))
    teaching = Teaching(engine, Belongs(ONE, tmp_path), 1.0, True)
    teaching.record("M")
    record(teaching, engine, 1.0, hand=False)
    assert (teaching.recording, teaching.words()["kept"]) == (None, {})
    assert "hardly seen" in teaching.says


@pytest.mark.parametrize("how", ["cancelled", "another letter", "no hand"])
def test_a_recording_that_comes_to_nothing_leaves_what_was_kept(tmp_path: Path, how: str) -> None:
    engine = TaughtEngine(Signer({"M": "N"}))
    teaching = Teaching(engine, Belongs(ONE, tmp_path), 1.0, True)
    teaching.record("M")
    record(teaching, engine, 1.0)
    kept = teaching.words()["kept"]
    teaching.record("M")
    if how == "no hand":
        record(teaching, engine, 100.0, hand=False)
    else:
        teaching.record("M" if how == "cancelled" else "N")
    assert teaching.words()["kept"] == kept != {}
    assert teaching.recordings == 1


def test_package_without_features_says_so_and_records_nothing(tmp_path: Path) -> None:
    teaching = Teaching(TaughtEngine(Signer({})), Belongs(ONE, tmp_path), 1.0, False)
    teaching.restore()
    teaching.record("M")
    assert teaching.recording is None
    assert teaching.says.startswith("This model gives no features")
