"""What can go wrong, as a tree. Each message is one sentence: what it got, what it wanted, what to do.

AslEdgeError            the command line prints the sentence and exits with code 2
├── SettingsError       a settings file or a flag
├── PackageError        a deployment package that does not agree with its metadata
├── EngineError         an inference engine that is not installed or refuses the model
├── CameraError         a camera that is absent, busy or stopped
│   └── CameraBlind     one that gave no picture for minutes: exit code 3, a fresh start may help
├── TeachError          what this device was taught can't be used, kept or made
├── OutputError         standard output that can't be written
├── PictureError        a picture file that can't be read
└── DataError           training data or a checkpoint that can't be used (train, export)
"""

import sys


def reason_of(error: OSError) -> str:
    """What the system says, in the middle of a sentence."""
    return (error.strerror or str(error)).lower()


class AslEdgeError(Exception):
    """Something that the person at the keyboard can mend; its text says how."""


class SettingsError(AslEdgeError):
    """A settings file or a flag that is wrong; names key, file and line where there are any."""


def not_installed(what: str, package: str, extra: str) -> SettingsError:
    """`what` needs a package of the extra of that name (pyproject.toml)."""
    return SettingsError(
        f"{what} needs {package}, which is not installed: in the checkout, "
        f"{sys.executable} -m pip install '.[{extra}]' (for a board: make wheelhouse EXTRAS=1)"
    )


class PackageError(AslEdgeError):
    """A deployment package whose files, labels or shapes disagree with its metadata."""


class EngineError(AslEdgeError):
    """An inference engine that is not installed, or a model that it can't run."""


class CameraError(AslEdgeError):
    """A camera that is absent, busy, or gives no frames."""


class CameraBlind(CameraError):  # noqa: N818  a state to wait out, more than a mistake
    """A camera that worked and then gave no picture for minutes, however often it was opened again."""


class TeachError(AslEdgeError):
    """A file of what was taught that is damaged or another model's, or too little to learn from."""


class OutputError(AslEdgeError):
    """Standard output that leads to a full disk, or the like."""


class PictureError(AslEdgeError):
    """A picture file that is unreadable, too small or too large."""


class DataError(AslEdgeError):
    """Training data, a prepared folder or a checkpoint that can't be used."""
