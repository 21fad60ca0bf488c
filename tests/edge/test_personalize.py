"""Teaching: what it changes, what it leaves alone, what it keeps and refuses."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.predictions import LIVE, prediction

from edge.errors import TeachError
from edge.package import open_package
from edge.personalize.correction import CorrectedEngine, Examples, fit, measure_accuracy
from edge.personalize.learning import learn
from edge.personalize.taught_file import TaughtFile, locate_taught_file
from edge.personalize.teaching import TeachingSession
from edge.records import LETTERS, Array, Frame, Hand, LoopStep, Output

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


def test_confused_letters_are_told_apart_after_teaching() -> None:
    result, correction = learn(signed("MNE", "NME", 0), 1.0)
    assert (round(result.before, 2), result.after, result.held_back) == (0.33, 1.0, 12)
    assert measure_accuracy(signed("MNE", "NME", 1), correction) == 1.0
    assert "33% right before, 100% after" in result.sentence


def test_letters_that_were_not_taught_are_not_corrected() -> None:
    correction = fit(signed("MN", "NM", 0), 1.0)
    others = signed("ABCDEFGH", "ABCDEFGH", 2)
    assert np.array_equal(correction(others.features, others.logits), np.zeros_like(others.logits))


def test_result_names_the_letter_to_sign_as_well() -> None:
    result, _ = learn(signed("N", "E", 0), 1.0)
    assert not result.helps
    assert result.sentence.endswith("so it is not used. N is still read as E: sign E, too.")


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(TeachError, match="each letter needs at least 4 examples"):
        learn(signed("MN", "MN", 0, count=1), 1.0)


def test_saved_examples_are_loaded_and_deleted(tmp_path: Path) -> None:
    file, examples = TaughtFile(ONE, tmp_path / "new"), signed("MN", "NM", 0)
    assert file.load() is None
    file.save(examples)
    again = file.load()
    assert again is not None
    assert np.array_equal(again.letters, examples.letters)
    assert np.allclose(again.features, examples.features, atol=0.01)
    assert [path.name for path in file.folder.iterdir()] == ["taught-abababababab.npz"]
    assert (file.delete(), file.delete(), file.load()) == (True, False, None)


def test_file_of_another_model_is_refused_and_left_alone(tmp_path: Path) -> None:
    one, other = TaughtFile(ONE, tmp_path), TaughtFile(OTHER, tmp_path)
    one.save(signed("MN", "NM", 0))
    assert other.load() is None
    one.path.rename(other.path)
    with pytest.raises(TeachError, match="belongs to another model, abababababab instead of cdcdcdcdcdcd"):
        other.load()
    assert other.path.exists()


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_damaged_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.path.write_bytes(data)
    with pytest.raises(TeachError, match="delete it with asl-edge teach --forget"):
        file.load()


def test_flipped_bytes_anywhere_are_one_sentence(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path, F)
    file.save(signed("MN", "NM", 0))
    whole = file.path.read_bytes()
    for start in range(0, len(whole), 97):
        file.path.write_bytes(
            whole[:start] + bytes(b ^ 0x5A for b in whole[start : start + 10]) + whole[start + 10 :]
        )
        said = "delete it with asl-edge teach --forget"
        try:
            file.load()  # a byte that nothing reads may be another
        except TeachError as error:
            said = str(error)
        assert "delete it with asl-edge teach --forget" in said


@pytest.mark.parametrize("what", ["letter", "width", "nan"])
def test_file_with_invalid_examples_is_one_sentence(tmp_path: Path, what: str) -> None:
    file, examples = TaughtFile(ONE, tmp_path, F), signed("MN", "NM", 0)
    if what == "letter":
        examples.letters[0] = 77
    elif what == "width":
        examples = Examples(examples.features[:, :-1], examples.logits, examples.letters)
    else:
        examples.features[3, 3] = np.nan
    file.save(examples)
    with pytest.raises(TeachError, match="holds no valid examples: delete it"):
        file.load()


def test_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = TaughtFile(ONE, tmp_path / "file")
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        file.save(signed("M", "M", 0))
    with pytest.raises(TeachError, match=r"can't be kept in .*file: .*; name another folder"):
        file.check_writable()


def test_save_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.check_writable()
    (file.path / "in the way").mkdir(parents=True)
    with pytest.raises(TeachError, match="can't be kept"):
        file.save(signed("M", "M", 0))
    assert list(tmp_path.iterdir()) == [file.path]


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    file = TaughtFile(ONE, tmp_path)
    file.save(signed("M", "M", 0))
    assert file.path.stat().st_mode & 0o077 == 0


def test_file_is_in_the_services_state_directory_by_default(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
    assert locate_taught_file(package, "int8", "").folder == tmp_path / "a"
    assert locate_taught_file(package, "int8", "mine").folder == Path("mine")
    assert locate_taught_file(package, "int8", "").model_sha256 == package.metadata["files"]["int8"]["sha256"]


class Signer:
    """An engine and a person: signs `letter`, and reads something else."""

    def __init__(self, reads: dict[str, str]) -> None:
        self.letter, self._reads, self._seed = "M", reads, 0

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        self._seed += 1
        one = signed(self.letter, self._reads[self.letter], self._seed, count=1)
        landmarks = np.zeros((1, 21, 2), np.float32)
        return Output(one.logits, np.array([5.0], np.float32), landmarks, one.features)


def read_letter(engine: CorrectedEngine) -> str:
    return LETTERS[int(engine(np.zeros((1, 3, 8, 8), np.float32)).letters.argmax())]


def session_of(engine: CorrectedEngine, folder: Path) -> TeachingSession:
    return TeachingSession(engine, TaughtFile(ONE, folder), 1.0, True)


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


def test_user_without_a_home_has_no_file_unless_a_folder_is_named(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = open_package(tiny_folder)
    for name in ("HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 98765)  # of nobody in /etc/passwd
    assert locate_taught_file(package, "int8", str(tmp_path)).folder == tmp_path
    file = locate_taught_file(package, "int8", "")
    assert file.folder == Path("/nonexistent/asl-edge")
    assert file.load() is None


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
    teaching = TeachingSession(CorrectedEngine(Signer({})), TaughtFile(ONE, tmp_path), 1.0, False)
    teaching.restore()
    teaching.record("M")
    assert teaching.recording is None
    assert teaching.message.startswith("This model has no features")
