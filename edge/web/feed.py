"""What a watcher is sent: the newest turn as JSON and as JPEG, each made once however many watch."""

import json
import time

import cv2
import numpy as np

from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.records import Hand, Image, Prediction, Snapshot
from edge.system.board import temperature_c

PAUSE_S = 0.1  # between two that are made: however many watch, they cost the loop no more
LONGEST_PX = 800  # of a picture's side: enough for a page, and quick to encode
JPEG_QUALITY = 75
WARMTH_S = 5.0  # between two looks at the temperature


class Feed:
    """Made in the page's thread, from `publisher.snapshot`."""

    def __init__(self, publisher: SnapshotPublisher, teaching: TeachingSession | None, picture: bool) -> None:
        self.picture = picture
        self._live, self._teaching = publisher, teaching
        self._state, self._state_s = (-1, b""), 0.0
        self._jpeg, self._jpeg_s = (-1, b""), 0.0
        self._warm: tuple[float, float | None] = (-WARMTH_S, None)

    def state(self) -> tuple[int, bytes]:
        """The turn's number and JSON; -1 and nothing before the first."""
        snapshot, now = self._live.snapshot, time.monotonic()
        if snapshot is not None and snapshot.number != self._state[0] and now - self._state_s >= PAUSE_S:
            self._state_s = now
            self._state = (snapshot.number, json.dumps(self._words(snapshot), separators=(",", ":")).encode())
        return self._state

    def jpeg(self) -> tuple[int, bytes]:
        """The frame's number and picture; -1 and nothing before the first."""
        snapshot, now = self._live.snapshot, time.monotonic()
        frame = None if snapshot is None else snapshot.picture
        if frame is not None and frame.index != self._jpeg[0] and now - self._jpeg_s >= PAUSE_S:
            self._jpeg_s = now
            self._jpeg = (frame.index, encoded(frame.image))
        return self._jpeg

    def _words(self, snapshot: Snapshot) -> dict[str, object]:
        prediction, frame = snapshot.step.prediction, snapshot.picture
        return {
            "number": snapshot.number,
            "letter": None if prediction is None else prediction.letter,
            "confidence": 0.0 if prediction is None else round(prediction.confidence, 3),
            "top": [] if prediction is None else _top(prediction),
            "hand": None if prediction is None or frame is None else _fractions(prediction.hand, frame.image),
            "size_px": None if frame is None else [frame.image.shape[1], frame.image.shape[0]],
            "text": snapshot.text,
            "why": {"kind": snapshot.hint.kind, "sentence": snapshot.hint.sentence},
            "history": [
                {"letter": e.letter, "confidence": round(e.confidence, 3), "t": round(e.t_end, 3)}
                for e in snapshot.history
            ],
            "fps": round(snapshot.fps, 1),
            "rests": snapshot.step.still,
            "latency_ms": round(1000 * snapshot.latency_s),
            "temperature_c": self._temperature_c(),
            "camera": {"name": snapshot.camera.name, "state": snapshot.camera.status},
            "frame_age_s": round(snapshot.camera.frame_age_s, 1),
            "picture": self.picture,
            "teaching": None if self._teaching is None else self._teaching.status(),
        }

    def _temperature_c(self) -> float | None:
        now = time.monotonic()
        if now - self._warm[0] >= WARMTH_S:
            warm = temperature_c()
            self._warm = (now, None if warm is None else round(warm, 1))
        return self._warm[1]


def encoded(image: Image) -> bytes:
    """(H, W, 3) RGB -> JPEG, no side longer than LONGEST_PX."""
    scale = LONGEST_PX / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return jpeg.tobytes() if done else b""


def _top(prediction: Prediction) -> list[tuple[str, float]]:
    return (
        [(letter, round(probability, 3)) for letter, probability in prediction.top(3)]
        if prediction.hand
        else []
    )


def _fractions(hand: Hand | None, image: Image) -> dict[str, object] | None:
    """Box and points as fractions of the picture's sides."""
    if hand is None:
        return None
    height, width = image.shape[:2]
    x0, y0, x1, y1 = hand.box_xyxy
    box = [round(x0 / width, 4), round(y0 / height, 4), round(x1 / width, 4), round(y1 / height, 4)]
    landmarks = (
        [] if hand.landmarks is None else np.round(hand.landmarks.astype(float) / (width, height), 4).tolist()
    )
    return {"box": box, "points": landmarks}
