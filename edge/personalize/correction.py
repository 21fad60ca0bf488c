"""What a device was taught: features of its signer's own letters, and the small correction that they make.

The network stays as it is. Its features (the package's output `features`) are compared with the
examples', and what the letter shares of alike examples lacked is added to the letter logits: a kernel ridge
regression. Only answers among the taught letters are changed: what was not taught and is read right stays so.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import TeachError, reason_of
from edge.package import FEATURES, Package
from edge.records import LETTERS, Array, Engine, Output

# Likeness is the cosine to this power, so that only near examples speak. `benchmarks/teach.py` compares
# it with a linear ridge and with centroids, and the features with logits and hand points.
POWER, RIDGE, GAIN = 8, 0.1, 8.0
NO_HOME = Path("/nonexistent")  # where Debian says that users without a home have theirs


@dataclass(frozen=True, eq=False)
class Examples:
    """What was signed."""

    features: Array  # (N, F)
    logits: Array  # (N, 26), of the network alone
    letters: Array  # (N,) 0 to 25

    def some(self, which: Array) -> "Examples":
        """Those of the indices or the mask."""
        return Examples(self.features[which], self.logits[which], self.letters[which])


@dataclass(frozen=True, eq=False)
class Correction:
    """What is added to the letter logits."""

    directions: Array  # (N, F) of length 1: the examples' features
    parts: Array  # (N, 26) what each example adds to what is like it
    is_taught: npt.NDArray[np.bool_]  # (26,)

    def __call__(self, features: Array, logits: Array) -> Array:
        """(M, F) and (M, 26) -> (M, 26); zeros where the network says a letter that was not taught."""
        added = _alike(_directions(features), self.directions) @ self.parts
        return np.asarray(added * self.is_taught[logits.argmax(axis=1)][:, None], np.float32)


def fit(examples: Examples, temperature: float) -> Correction:
    """What the examples teach; N of at least 1."""
    directions = _directions(examples.features)
    lacking = np.eye(len(LETTERS))[examples.letters] - _shares(examples.logits / temperature)
    alike = _alike(directions, directions) + RIDGE * np.eye(len(directions))
    parts = GAIN * temperature * np.linalg.solve(alike, lacking)
    is_taught = np.isin(np.arange(len(LETTERS)), examples.letters)
    return Correction(directions, parts.astype(np.float32), is_taught)


def share_right(examples: Examples, correction: Correction | None) -> float:
    """0..1, of the examples' letters."""
    logits = examples.logits
    if correction is not None:
        logits = logits + correction(examples.features, logits)
    return float((logits.argmax(axis=1) == examples.letters).mean())


class TaughtEngine:
    """The package's engine with the correction over it; remembers the network's own newest answer."""

    def __init__(self, engine: Engine, correction: Correction | None = None) -> None:
        self.correction = correction  # may be replaced at any time, by one assignment
        self.newest: Output | None = None
        self.answers = 0  # so far
        self._engine = engine

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        output = self._engine(tensor, upright)
        self.newest, self.answers = output, self.answers + 1
        correction = self.correction
        if correction is None or output.features is None:
            return output
        letters = output.letters + correction(output.features, output.letters)
        return Output(letters, output.presence, output.landmarks, output.features)


@dataclass(frozen=True)
class Belongs:
    """Which model something was taught to."""

    sha256: str  # of the variant's file
    folder: Path  # where this device keeps what it was taught
    features: int = 0  # of an example; 0 where that is not known

    @property
    def path(self) -> Path:
        """One file a model: another model's is left where it is, and serves again when that model does."""
        return self.folder / f"taught-{self.sha256[:12]}.npz"


def belongs_of(package: Package, variant: str, folder: str) -> Belongs:
    """For the settings' `state_dir`; empty: systemd's StateDirectory=, or the user's own."""
    place = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Belongs(
        str(package.metadata["files"][variant]["sha256"]),
        Path(folder or place or _users_own()),
        package.output_shapes.get(FEATURES, (0,))[-1],
    )


def _users_own() -> Path:
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "asl-edge"
    except RuntimeError:  # a user without a home reads on, and is told where nothing can be kept
        return NO_HOME / "asl-edge"


def can_be_kept(belongs: Belongs) -> None:
    """TeachError where `save` would fail: better said before somebody has signed than after."""
    with _place(belongs), tempfile.NamedTemporaryFile(dir=belongs.folder, suffix=".partial"):
        pass


def save(examples: Examples, belongs: Belongs) -> None:
    """Written beside and renamed. TeachError where it can't be."""
    with _place(belongs), tempfile.TemporaryDirectory(dir=belongs.folder, suffix=".partial") as beside:
        written = Path(beside) / belongs.path.name
        written.touch(0o600)  # nobody else's business
        np.savez_compressed(
            written,
            model_sha256=belongs.sha256,
            features=examples.features.astype(np.float16),
            logits=examples.logits,
            letters=examples.letters,
        )
        written.replace(belongs.path)


@contextmanager
def _place(belongs: Belongs) -> Iterator[None]:
    """Makes the folder; what fails in it is told as a TeachError."""
    try:
        belongs.folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise TeachError(
            f"what was taught can't be kept in {belongs.folder}: {reason_of(error)}; "
            "name another folder with personalize.state_dir"
        ) from None


def load(belongs: Belongs) -> Examples | None:
    """None where nothing was taught; TeachError for a file of another model, or one that is damaged."""
    try:
        with np.load(io.BytesIO(belongs.path.read_bytes()), allow_pickle=False) as kept:
            sha256 = str(kept["model_sha256"])
            examples = Examples(
                kept["features"].astype(np.float32),
                kept["logits"].astype(np.float32),
                kept["letters"].astype(np.int64),
            )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TeachError(
            f"{belongs.path} can't be read ({reason_of(error)}): "
            "make it readable, or name another folder with personalize.state_dir"
        ) from None
    except Exception:  # whatever numpy, zip and zlib make of flipped bytes; numpy advises to unpickle them
        raise TeachError(f"{belongs.path} is damaged: forget it with asl-edge teach --forget") from None
    if sha256 != belongs.sha256:
        raise TeachError(
            f"{belongs.path} was taught to another model ({sha256[:12]}, this one is {belongs.sha256[:12]}): "
            "forget it with asl-edge teach --forget"
        )
    n = len(examples.letters)
    if (
        not n
        or examples.features.ndim != 2
        or len(examples.features) != n
        or examples.logits.shape != (n, 26)
        or (belongs.features and examples.features.shape[1] != belongs.features)
        or examples.letters.shape != (n,)
        or not set(examples.letters.tolist()) <= set(range(len(LETTERS)))
        or not np.isfinite(examples.features).all()
        or not np.isfinite(examples.logits).all()
    ):
        raise TeachError(
            f"{belongs.path} does not hold what was taught: forget it with asl-edge teach --forget"
        )
    return examples


def forget(belongs: Belongs) -> bool:
    """Whether there was anything to forget. TeachError where the file can't be removed."""
    try:
        belongs.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TeachError(f"{belongs.path} can't be removed: {reason_of(error)}") from None
    return True


def _directions(features: Array) -> Array:
    """(N, F) -> the same of length 1."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-6), np.float32)


def _alike(some: Array, others: Array) -> Array:
    """(M, F) and (N, F) directions -> (M, N), 0 to 1."""
    return np.asarray(np.maximum(some @ others.T, 0) ** POWER)


def _shares(logits: Array) -> Array:
    """(N, 26) logits -> shares that sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
