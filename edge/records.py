"""The vocabulary: what flows from the camera to the sinks, on one page.

Frame -> Hand -> Prediction -> LetterEvent. Pictures are RGB everywhere; times are seconds on the
monotonic clock, taken when the frame was captured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
N_LANDMARKS = 21  # MediaPipe's order: 0 is the wrist, 4/8/12/16/20 are the tips from thumb to little finger

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Array = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in px; may reach outside the picture


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera."""

    image: Image
    t: float  # seconds, monotonic, at capture
    index: int  # counts every frame that the camera offered, also those dropped


CameraStatus = Literal["opening", "live", "blind", "frozen", "black"]


@dataclass(frozen=True)
class CameraState:
    """How a camera is doing, at one moment. `frozen` and `black` still give pictures, `blind` gives none."""

    name: str  # usb:0, pi:0, synthetic
    status: CameraStatus
    reopened: int  # how often it was opened again since the start
    frame_age_s: float  # since the newest picture was captured; before the first one, since the start
    dropped: int  # pictures that the camera offered and nobody read


@dataclass(frozen=True, eq=False)
class Output:
    """What the network says of one crop; (N, ...) where a batch went in."""

    letters: Array  # (N, 26) logits
    presence: Array  # (N,) logit of "there is a hand"
    landmarks: Array  # (N, 21, 2) x and y as fractions of the crop's side
    features: Array | None = None  # (N, F) what the last layer computes them from, where the package gives it


@dataclass(frozen=True, eq=False)
class Hand:
    """Where the hand is in the frame."""

    box_xyxy: Box
    landmarks: Array | None  # (21, 2) px in the frame
    presence: float  # 0..1


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one frame says, before any smoothing over time."""

    letter: str | None  # None where no hand is seen or the network is unsure
    confidence: float  # 0..1, of the best letter
    hand: Hand | None
    t: float
    top: tuple[tuple[str, float], ...] = ()  # all letters with their confidence, the best first


@dataclass(frozen=True)
class LetterEvent:
    """A letter that was held long enough to count."""

    letter: str
    confidence: float  # 0..1, mean over the frames that agreed
    t_start: float  # seconds, monotonic: the first frame that agreed
    t_end: float  # the frame that settled it
    text: str  # everything read so far, this letter included


@dataclass(frozen=True, eq=False)
class LoopStep:
    """One turn of the loop: what came in, what was made of it."""

    frame: Frame | None = None  # None: the camera has nothing yet, or is blind
    prediction: Prediction | None = None
    event: LetterEvent | None = None
    inference_s: float = 0.0  # how long the network and what follows took
    still: bool = False  # the scene stood still: the answer is an earlier frame's


@dataclass(frozen=True)
class Hint:
    """Why no letter comes."""

    # "" (one is read), camera, no_hand, cut, dark, bright, blurred, unsure, short, or hold (one is coming)
    kind: str
    sentence: str  # for the person in front of the camera


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The newest turn, with all that a page or a gauge shows of it."""

    number: int  # counts the turns
    t: float  # seconds, monotonic: the end of the turn
    step: LoopStep
    picture: Frame | None  # the newest frame there was
    camera: CameraState
    text: str
    hint: Hint
    fps: float  # frames read a second, of late
    latency_s: float  # from the capture to the answer, smoothed
    waited_s: float  # of this turn: from the capture until the network took the frame
    history: tuple[LetterEvent, ...]  # the last letters, the newest first
    offered: int  # frames that the camera gave since the start
    read: int  # of these, by the network

    def frame_age_s(self, now: float) -> float:
        """Of the newest picture at `now`, monotonic: it grows while the loop hangs, too."""
        return self.camera.frame_age_s + max(0.0, now - self.t)


Observer = Callable[[Snapshot], None]  # as a sink: never blocks the loop, never stops it
Sink = Callable[[LetterEvent], None]  # never blocks the loop, never stops it


class Engine(Protocol):
    """The network, in whatever runs it."""

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        """(N, 3, S, S) float32 -> Output. `upright`: the squares were turned until the hand stands upright,
        which only a package whose `reads_upright` is true can be told."""
        ...
