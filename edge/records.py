"""The vocabulary on one page: the values that flow from the camera to the observers.

Frame -> Hand -> Prediction -> LetterEvent, all of one loop step in a LoopStep. Pictures are RGB; times are in
seconds on the monotonic clock, taken when the frame was captured; those of a recording count from its start.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
MOVING_LETTERS = ("J", "Z")  # movements, of which a still shows one moment
N_LANDMARKS = 21  # in MediaPipe's order: 0 is the wrist; 4, 8, 12, 16, 20 are the tips from the thumb on

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Array = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in px; may extend beyond the picture
CameraStatus = Literal["opening", "live", "blind", "frozen", "black"]

# What is wrong with a camera in each state, to follow its name in a sentence: for the log, the page, MQTT and
# doctor. Nothing is wrong with a live camera.
CAMERA_PROBLEMS: dict[str, str] = {
    "opening": "is being opened",
    "blind": "delivers no pictures: check its cable and plug",
    "frozen": "delivers the same picture again and again: unplug it and plug it in, or restart asl-edge",
    "black": "delivers black pictures: uncover the lens, or switch on the light",
}


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a camera."""

    image: Image
    t: float  # seconds at capture, monotonic; in a recording, since its start
    index: int  # counts every frame that the camera offered, dropped frames included


@dataclass(frozen=True)
class CameraState:
    """The state of a camera at one moment. `frozen` and `black` still deliver pictures, `blind` does not."""

    name: str  # usb:0, pi:0, replay:FOLDER, synthetic
    status: CameraStatus
    reopened: int  # how often it was reopened since the start
    frame_age_s: float  # since the newest frame was captured; before the first one, since the start
    dropped: int  # frames that the camera offered and nobody read
    is_recording: bool = False  # frame times count from the recording's start, not on the monotonic clock

    @property
    def problem(self) -> str:
        """What is wrong, to follow "the camera"; "" if it is live."""
        return CAMERA_PROBLEMS.get(self.status, "")


@dataclass(frozen=True, eq=False)
class Output:
    """The network's output for a batch of N crops."""

    letters: Array  # (N, 26) logits
    presence: Array  # (N,) logit of "the crop shows a hand"
    landmarks: Array  # (N, 21, 2) x and y as fractions of the crop's side
    features: Array | None = None  # (N, F) input of the last layer, if the package exports it
    uncorrected_letters: Array | None = None  # (N, 26) logits before the correction of edge.personalize


@dataclass(frozen=True, eq=False)
class Hand:
    """The hand's position in the frame."""

    box_xyxy: Box
    landmarks: Array | None  # (21, 2) px in the frame
    presence: float  # 0..1


@dataclass(frozen=True, eq=False)
class Prediction:
    """The hand and letter of one frame, before any filtering over time."""

    letter: str | None  # None if there is no hand or the network is unsure
    confidence: float  # 0..1, the best letter's probability
    hand: Hand | None
    t: float
    probabilities: Array  # (26,) of A to Z
    # Of the network's only inference in this frame, if there was just one, on the tracked hand. Teaching
    # records these; in a search the newest inference may be of another place.
    features: Array | None = None  # (F,)
    logits: Array | None = None  # (26,) before the correction of edge.personalize

    def top(self, count: int = len(LETTERS)) -> list[tuple[str, float]]:
        """Return the `count` most probable letters with their probabilities, best first."""
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(LETTERS[i], float(self.probabilities[i])) for i in best]


@dataclass(frozen=True)
class LetterEvent:
    """A letter that was held long enough to count."""

    letter: str
    confidence: float  # 0..1, mean over the frames that agreed
    t_start: float  # seconds, monotonic: the first frame that agreed
    t_end: float  # the frame that completed the letter
    text: str  # everything read so far, this letter included


@dataclass(frozen=True, eq=False)
class LoopStep:
    """One step of the loop, as its observers see it."""

    camera: CameraState
    frame: Frame | None = None  # None: the camera has no frame yet, or is blind
    prediction: Prediction | None = None
    event: LetterEvent | None = None
    inference_s: float = 0.0  # the network and the letter filter
    still: bool = False  # the scene did not move: the prediction is an earlier frame's


@dataclass(frozen=True)
class Hint:
    """Why no letter is read."""

    # "" (a letter is read), camera, no_hand, cut, dark, bright, blurred, unsure, short, hold (one is coming)
    kind: str
    sentence: str  # for the person in front of the camera


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The newest loop step, with everything that a page or a gauge shows of it."""

    number: int  # counts the steps
    t: float  # seconds, monotonic: the end of the step
    step: LoopStep
    picture: Frame | None  # the newest frame so far
    text: str
    hint: Hint
    fps: float  # frames read a second, over the last two seconds
    latency_s: float  # from capture to prediction, smoothed
    waited_s: float  # in this step: from capture until the network took the frame
    history: tuple[LetterEvent, ...]  # the last letters, newest first
    offered: int  # frames that the camera offered since the start
    read: int  # frames that the network read since the start

    @property
    def camera(self) -> CameraState:
        """The camera at the end of the step."""
        return self.step.camera

    def frame_age_s(self, now: float) -> float:
        """Return the newest frame's age at `now`, monotonic; it keeps growing if the loop hangs."""
        return self.camera.frame_age_s + max(0.0, now - self.t)


# Called at the end of every loop step, in the loop's thread. Must not block. If it raises, the loop reports
# it once and calls it again with the next step.
Observer = Callable[[LoopStep], None]
Sink = Callable[[LetterEvent], None]  # becomes an Observer by edge.pipeline.each_letter


class Engine(Protocol):
    """The network, in any runtime."""

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        """Run (N, 3, S, S) float32. `upright`: the crops were rotated until the hand stands upright.

        `upright` has no effect with a package whose `reads_upright` is False.
        """
        ...


class LoadedEngine(Engine, Protocol):
    """An engine that was loaded from a package."""

    @property
    def ran_on(self) -> str:
        """Where it ran when it was loaded: "cpu", or for a GPU how many of its operations ran where."""
        ...
