"""The file in which a device keeps the recorded examples of one model."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import TeachError, os_errors_as
from edge.package import FEATURES, Package
from edge.personalize.correction import Examples
from edge.records import LETTERS
from edge.system.atomic_files import replaced_file
from edge.system.bounded_files import read_bounded
from edge.system.state_folder import locate_state_folder

FORGET = "delete it with asl-edge teach --forget"
# 40 examples of each letter take 4 MB, a little less when they are packed
MAX_BYTES, MAX_UNPACKED_BYTES = 10_000_000, 20_000_000
OTHER_FOLDER = "name another folder with personalize.state_dir"


@dataclass(frozen=True)
class TaughtFile:
    """The file for one model. A device that changes its model and changes back finds the old file again."""

    model_sha256: str  # of the variant's model file
    folder: Path
    n_features: int = 0  # of an example; 0 if unknown

    @property
    def path(self) -> Path:
        """The path of the file, which may not exist."""
        return self.folder / f"taught-{self.model_sha256[:12]}.npz"

    def check_writable(self) -> None:
        """Raise TeachError if `save` would fail, before anybody has signed for it."""
        with self._folder(), tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial"):
            pass

    def save(self, examples: Examples) -> None:
        """Replace the file. Raises TeachError if it can't be written; the old file is then unchanged."""
        with self._folder(), replaced_file(self.path) as partial:
            partial.touch(0o600)  # recordings of a person: only their owner may read them
            with partial.open("wb") as file:
                np.savez_compressed(
                    file,
                    model_sha256=self.model_sha256,
                    features=examples.features.astype(np.float16),
                    logits=examples.logits,
                    letters=examples.letters,
                )

    def load(self) -> Examples | None:
        """Return the examples, or None without a file. Raises TeachError for a damaged or a foreign file."""
        with os_errors_as(TeachError, f"{self.path} can't be read", f"make it readable, or {OTHER_FOLDER}"):
            try:
                data = read_bounded(self.path, MAX_BYTES)
            except FileNotFoundError:
                return None
        try:
            _check_unpacked_size(data)
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                sha256 = str(arrays["model_sha256"])
                examples = Examples(
                    arrays["features"].astype(np.float32),
                    arrays["logits"].astype(np.float32),
                    arrays["letters"].astype(np.int64),
                )
        except Exception:  # numpy, zip and zlib each raise their own errors for a damaged file
            raise TeachError(f"{self.path} is damaged: {FORGET}") from None
        if sha256 != self.model_sha256:
            raise TeachError(
                f"{self.path} belongs to another model, {sha256[:12]} instead of {self.model_sha256[:12]}: "
                f"{FORGET}"
            )
        if not self._is_valid(examples):
            raise TeachError(f"{self.path} holds no valid examples: {FORGET}")
        return examples

    def delete(self) -> bool:
        """Delete the file; return False if there was none. Raises TeachError if it can't be deleted."""
        with os_errors_as(TeachError, f"{self.path} can't be deleted"):
            try:
                self.path.unlink()
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _folder(self) -> Iterator[None]:
        """Create the folder; report its errors, and those of the code inside, as a TeachError."""
        with os_errors_as(TeachError, f"the taught letters can't be kept in {self.folder}", OTHER_FOLDER):
            self.folder.mkdir(parents=True, exist_ok=True)
            yield

    def _is_valid(self, examples: Examples) -> bool:
        n = len(examples.letters)
        return bool(
            n
            and examples.features.ndim == 2
            and len(examples.features) == n
            and examples.logits.shape == (n, len(LETTERS))
            and self.n_features in (0, examples.features.shape[1])
            and examples.letters.shape == (n,)
            and set(examples.letters.tolist()) <= set(range(len(LETTERS)))
            and np.isfinite(examples.features).all()
            and np.isfinite(examples.logits).all()
        )


def _check_unpacked_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise ValueError


def locate_taught_file(package: Package, variant: str, folder: str) -> TaughtFile:
    """Return the file for a package's variant; `folder` is the setting `personalize.state_dir`."""
    return TaughtFile(
        package.sha256(variant), locate_state_folder(folder), package.output_shapes.get(FEATURES, (0,))[-1]
    )
