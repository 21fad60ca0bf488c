"""What a device was taught: features of its signer's own letters, and the small correction that they make.

The network stays as it is. A ridge regression from its features (the package's output `features`) to what
its letter shares lacked is added to the letter logits. It is solved over the examples, of which there are
hundreds at most, and not over the features.
"""

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import TeachError
from edge.package import Package
from edge.records import LETTERS, Array, Engine, Output

# Of values from 0.01 to 1 (ridge) and 4 to 16 (gain); `tests/benchmarks/teach.py` prints what they give.
RIDGE, GAIN = 0.1, 8.0
BIAS = 0.3  # the constant beside features whose mean length is 1


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
    """(N, F) features -> (N, 26) that are added to the letter logits."""

    mean: Array  # (F,)
    weights: Array  # (F, 26)
    bias: Array  # (26,)

    def __call__(self, features: Array) -> Array:
        return np.asarray((features - self.mean) @ self.weights + self.bias, np.float32)


def fit(examples: Examples, temperature: float) -> Correction:
    """What the examples teach; N of at least 1."""
    mean = examples.features.mean(axis=0)
    centred = examples.features.astype(np.float64) - mean
    centred /= (length := float(np.sqrt(np.square(centred).sum(axis=1).mean())) or 1.0)
    lacking = np.eye(len(LETTERS))[examples.letters] - _shares(examples.logits / temperature)
    alike = centred @ centred.T + BIAS**2 + RIDGE * np.eye(len(centred))
    parts = GAIN * temperature * np.linalg.solve(alike, lacking)
    weights = centred.T @ parts / length
    return Correction(mean, weights.astype(np.float32), (BIAS**2 * parts.sum(axis=0)).astype(np.float32))


def share_right(examples: Examples, correction: Correction | None) -> float:
    """0..1, of the examples' letters."""
    logits = examples.logits + (0 if correction is None else correction(examples.features))
    return float((logits.argmax(axis=1) == examples.letters).mean())


class TaughtEngine:
    """The package's engine with the correction over it; remembers the network's own newest answer."""

    def __init__(self, engine: Engine, correction: Correction | None = None) -> None:
        self.correction = correction  # may be replaced at any time, by one assignment
        self.newest: Output | None = None
        self.answers = 0  # so far
        self._engine = engine

    def __call__(self, tensor: Array) -> Output:
        output = self._engine(tensor)
        self.newest, self.answers = output, self.answers + 1
        correction = self.correction
        if correction is None or output.features is None:
            return output
        letters = output.letters + correction(output.features)
        return Output(letters, output.presence, output.points, output.features)


@dataclass(frozen=True)
class Belongs:
    """Which model something was taught to."""

    sha256: str  # of the variant's file
    folder: Path  # where this device keeps what it was taught

    @property
    def path(self) -> Path:
        """One file a model: another model's is left where it is, and serves again when that model does."""
        return self.folder / f"taught-{self.sha256[:12]}.npz"


def belongs_of(package: Package, variant: str, folder: str) -> Belongs:
    """For the settings' `teach_folder`; empty: systemd's StateDirectory=, or the user's own."""
    place = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Belongs(
        str(package.metadata["files"][variant]["sha256"]), Path(folder or place or f"{state}/asl-edge")
    )


def save(examples: Examples, belongs: Belongs) -> None:
    """Written beside and renamed. TeachError where it can't be."""
    try:
        belongs.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=belongs.folder, suffix=".partial", delete=False) as file:
            np.savez_compressed(
                file,
                model_sha256=belongs.sha256,
                features=examples.features.astype(np.float16),
                logits=examples.logits,
                letters=examples.letters,
            )
        Path(file.name).replace(belongs.path)
    except OSError as error:
        raise TeachError(
            f"what was taught can't be kept in {belongs.folder}: {(error.strerror or str(error)).lower()}; "
            "name another folder with teach_folder"
        ) from None


def load(belongs: Belongs) -> Examples | None:
    """None where nothing was taught; TeachError for a file of another model, or one that is damaged."""
    try:
        with np.load(belongs.path, allow_pickle=False) as kept:
            sha256 = str(kept["model_sha256"])
            examples = Examples(
                kept["features"].astype(np.float32),
                kept["logits"].astype(np.float32),
                kept["letters"].astype(np.int64),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise TeachError(
            f"{belongs.path} can't be read ({error}): teach again, or forget it with asl-edge teach --forget"
        ) from None
    if sha256 != belongs.sha256:
        raise TeachError(
            f"{belongs.path} was taught to another model ({sha256[:12]}, this one is {belongs.sha256[:12]}): "
            "teach this one, or forget it with asl-edge teach --forget"
        )
    n = len(examples.letters)
    if (
        not n
        or examples.features.ndim != 2
        or len(examples.features) != n
        or examples.logits.shape != (n, 26)
    ):
        raise TeachError(f"{belongs.path} is incomplete: forget it with asl-edge teach --forget")
    return examples


def forget(belongs: Belongs) -> bool:
    """Whether there was anything to forget. TeachError where the file can't be removed."""
    try:
        belongs.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TeachError(
            f"{belongs.path} can't be removed: {(error.strerror or str(error)).lower()}"
        ) from None
    return True


def _shares(logits: Array) -> Array:
    """(N, 26) logits -> shares that sum to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
