"""The synthetic signer, `synthetic:WORD`: a camera without hardware that shows a drawn hand spelling a word.

It is a test card: it tests the path from camera to text, not the accuracy on people.
"""

import time
from collections.abc import Callable
from itertools import pairwise
from string import ascii_letters

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import CameraError
from edge.records import CameraState, Frame, Image
from edge.synthetic.background import make_background
from edge.synthetic.painter import paint_hand, random_appearance
from edge.synthetic.poses import POSES, RELAXED, Pose, blend, hand_joints, rotation

START_S, END_S, DOWN_S = 0.6, 1.0, 0.5  # the hand is out of view before the word, after it, and at a space
# The seed of the scene that `make demo` shows. Chosen by hand: see docs/experiments.md, "The drawn hand".
PLAIN_SCENE = 22
OVERSAMPLING = 2  # painted at twice the size, then averaged down
SWAY = ((0.43, 1.0), (1.1, 0.5), (5.3, 0.25))  # Hz, amplitude: the arm's sway, the hand's, its tremor

# A keyframe: time in s, pose, and how far the hand is raised (0: out of view, 1: fully raised).
Key = tuple[float, Pose, float]


def open_synthetic(
    word: str,
    fps: float = 15.0,
    hold_s: float = 1.2,
    move_s: float = 0.4,
    size: tuple[int, int] = (640, 480),
    seed: int = PLAIN_SCENE,
    realtime: bool = True,
    repeat: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> "SyntheticCamera":
    """Return a camera that spells `word` once, or again and again if `repeat` is True.

    The word consists of letters A to Z in any case, and spaces. `size` is width and height in px. The seed
    determines skin, light and background. With `realtime`, frames come when they are due and a late reader
    misses some; without it, every frame comes at once and t is index / fps. Raises CameraError for a word or
    a timing that can't be used.
    """
    if not (fps > 0 and hold_s > 0 and move_s >= 0):
        raise CameraError(
            f"synthetic: fps, hold_s and move_s must be above 0, got {fps}, {hold_s} and {move_s}"
        )
    keys = signing_plan(word, hold_s, move_s)
    return SyntheticCamera(keys, fps, size, seed, realtime, repeat, clock, sleep)


def signing_plan(word: str, hold_s: float, move_s: float) -> list[Key]:
    """Return the keyframes of a word. Between two equal letters the hand is lowered out of view.

    Raises CameraError if the word has other characters than letters and spaces, or no letters.
    """
    letters = " ".join(word.split()).upper()
    if not letters or not set(word) <= {*ascii_letters, " "}:
        raise CameraError(
            f"synthetic: the word must have letters from A to Z, e.g. synthetic:HELLO, got {word!r}"
        )
    t, previous = START_S, ""
    keys: list[Key] = [(0.0, RELAXED, 0.0), (t, RELAXED, 0.0)]

    def move_to(pose: Pose, raised: float, stay_s: float) -> None:
        nonlocal t
        keys.append((t + move_s, pose, raised))
        t += move_s + stay_s
        keys.append((t, pose, raised))

    for letter in letters:
        if letter in (" ", previous):
            move_to(RELAXED, 0.0, DOWN_S)
        if letter != " ":
            move_to(POSES[letter], 1.0, hold_s)
        previous = letter
    move_to(RELAXED, 0.0, END_S)
    return keys


def pose_at(keys: list[Key], t: float) -> tuple[Pose, float]:
    """Return the pose at `t` seconds and how far the hand is raised, eased between keyframes."""
    for (t0, pose_a, up_a), (t1, pose_b, up_b) in pairwise(keys):
        if t < t1:
            fraction = (t - t0) / (t1 - t0)
            eased = fraction * fraction * (3 - 2 * fraction)
            return blend(pose_a, pose_b, eased), up_a + (up_b - up_a) * eased
    return keys[-1][1], keys[-1][2]


class SyntheticCamera:
    """The camera that open_synthetic returns. `dropped` counts the frames that a late reader missed."""

    def __init__(
        self,
        keys: list[Key],
        fps: float,
        size: tuple[int, int],
        seed: int,
        realtime: bool,
        repeat: bool,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.dropped = 0
        self._keys, self._fps, self._realtime = keys, fps, realtime
        self._clock, self._sleep = clock, sleep
        self._start_t: float | None = None  # on `clock`, at the first frame
        self._next = 0
        self._n_frames = float("inf") if repeat else round(keys[-1][0] * fps)
        self._scene = Scene(size, seed)

    def __enter__(self) -> "SyntheticCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        self._n_frames = 0

    def state(self) -> CameraState:
        return CameraState("synthetic", "live", 0, 0.0, self.dropped)

    def __iter__(self) -> "SyntheticCamera":
        return self

    def __next__(self) -> Frame:
        start_t = self._wait() if self._realtime else 0.0
        index = self._next
        if index >= self._n_frames:
            raise StopIteration
        self._next += 1
        t = index / self._fps
        t_word = t % self._keys[-1][0]
        return Frame(self._scene.picture(*pose_at(self._keys, t_word), t), start_t + t, index)

    def _wait(self) -> float:
        """Skip frames that are overdue, and sleep until the next is due. Return the start of the stream."""
        now = self._clock()
        if self._start_t is None:
            self._start_t = now
        newest = int(min((now - self._start_t) * self._fps + 1e-6, self._n_frames))
        if newest > self._next:
            self.dropped += newest - self._next
            self._next = newest
        due_t = self._start_t + self._next / self._fps
        if due_t > now and self._next < self._n_frames:
            self._sleep(due_t - now)
        return self._start_t


class Scene:
    """The constant part of the pictures: the room, the person, the position of the hand."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        width, self._height = size
        room = make_background(rng, width, self._height)
        room = np.asarray(cv2.GaussianBlur(room, (0, 0), self._height / 160), np.uint8)  # out of focus
        self._room = np.asarray(cv2.resize(room, None, fx=OVERSAMPLING, fy=OVERSAMPLING), np.uint8)
        self._appearance = random_appearance(rng)
        self._unit_px = self._height * OVERSAMPLING * rng.uniform(0.255, 0.275)
        self._centre = np.array([width * rng.uniform(0.4, 0.6), self._height * 0.46]) * OVERSAMPLING
        self._rotation_deg = rng.uniform(-8, 8, 3)
        self._phases = rng.uniform(0, 2 * np.pi, (5, len(SWAY)))
        self._noise = np.repeat(rng.normal(0, 3, (self._height, width, 1)), 3, axis=2).astype(np.int16)

    def picture(self, pose: Pose, raised: float, t: float) -> Image:
        """Return (H, W, 3): the hand in this pose at `t` seconds, with a person's sway and tremor."""
        canvas = self._room.copy()
        sway = self._sway(t)
        joints = hand_joints(pose) @ rotation(*(self._rotation_deg + 2.5 * sway[:3])).T
        below = (1 - raised) * self._height * OVERSAMPLING * 1.1
        centre = self._centre + np.array([0, below]) + sway[3:] * self._unit_px * 0.04
        paint_hand(canvas, joints, self._unit_px, centre, self._appearance)
        image = cv2.resize(canvas, self._noise.shape[1::-1], interpolation=cv2.INTER_AREA)
        # the same noise, shifted differently in each frame, costs less than new noise
        grain = np.roll(self._noise, int(t * 997) % 61, axis=0)
        return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U), np.uint8)

    def _sway(self, t: float) -> npt.NDArray[np.float64]:
        """Return (5,): yaw, pitch, roll, x and y, each about -1..1."""
        waves = [a * np.sin(2 * np.pi * f * t + self._phases[:, k]) for k, (f, a) in enumerate(SWAY)]
        return np.asarray(np.sum(waves, axis=0))
