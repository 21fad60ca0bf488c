"""The errors that a person can mend. Each message says what was found, what is expected and what to do.

AslEdgeError            the command line prints the sentence and exits with code 2
├── SettingsError       a settings file or a flag
├── PackageError        a deployment package that disagrees with its metadata
├── EngineError         an inference engine that is not installed or refuses the model
├── CameraError         a camera that is absent, busy or stopped
│   └── CameraBlind     a camera without frames for minutes: exit code 3, a restart may help
├── TeachError          taught letters that can't be used, kept or learned
├── OutputError         standard output that can't be written
├── PictureError        a picture file that can't be read
└── DataError           training data or a checkpoint that can't be used (train, export)
"""

import contextlib
import sys
from collections.abc import Iterator

from edge.printable import shorten

OPENCV_NO_MEMORY = -4  # cv2.Error.StsNoMem


class AslEdgeError(Exception):
    """A fault that the user can mend; the message says how.

    Foreign words in it are made printable, so that it can be shown anywhere.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(shorten(sentence))


class SettingsError(AslEdgeError):
    """A wrong settings file or flag; the message names the key, and the file and line if there are any."""


class PackageError(AslEdgeError):
    """A deployment package whose files, labels or shapes disagree with its metadata."""


class EngineError(AslEdgeError):
    """An inference engine that is not installed, or a model that it can't run."""


class CameraError(AslEdgeError):
    """A camera that is absent, busy or gives no frames."""


class CameraBlind(CameraError):  # noqa: N818  a state to wait out rather than a mistake
    """A camera that worked and then gave no frame for minutes, although it was reopened again and again."""


class TeachError(AslEdgeError):
    """A taught file that is damaged or belongs to another model, or recordings too few to learn from."""


class OutputError(AslEdgeError):
    """Standard output that can't be written, for example because its disk is full."""


class PictureError(AslEdgeError):
    """A picture file that is unreadable, too small or too large."""


class DataError(AslEdgeError):
    """Training data, a prepared folder or a checkpoint that can't be used."""


@contextlib.contextmanager
def os_errors_as(error_type: type[AslEdgeError], what: str, advice: str = "") -> Iterator[None]:
    """Turn an OSError into one sentence: `what`, the system's reason, and `advice` if it is not empty.

    with os_errors_as(SettingsError, f"{path} can't be read"):
        text = path.read_text()
    """
    try:
        yield
    except OSError as error:
        raise error_type(f"{what}: {reason_of(error)}{advice and '; ' + advice}") from None


def reason_of(error: OSError) -> str:
    """Return the system's reason in lower case, to stand inside a sentence."""
    return (error.strerror or str(error)).lower()


def lacks_memory(error: BaseException) -> bool:
    """Return whether Python, numpy or OpenCV reports that there is not enough memory."""
    of_opencv = type(error).__module__ == "cv2" and getattr(error, "code", 0) == OPENCV_NO_MEMORY
    return of_opencv or isinstance(error, MemoryError)


def not_installed(what: str, package: str, extra: str) -> SettingsError:
    """Return the error for `what`, which needs `package` from the extra of pyproject.toml named `extra`."""
    return SettingsError(
        f"{what} needs {package}, which is not installed: in the checkout, "
        f"{sys.executable} -m pip install '.[{extra}]' (for a board: make wheelhouse EXTRAS=1)"
    )
