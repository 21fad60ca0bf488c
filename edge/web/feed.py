"""The newest step as JSON and as JPEG, for the page."""

import json
import time

import cv2
import numpy as np

from edge import __version__
from edge.observe.metrics import ModelName
from edge.observe.snapshot import SnapshotPublisher
from edge.personalize.teaching import TeachingSession
from edge.preprocess import scale_down
from edge.records import Hand, Image, Prediction, Snapshot
from edge.system.board import read_temperature_c

MAX_SIDE_PX = 800  # of a picture: enough for a page, and quick to encode
JPEG_QUALITY = 75
TEMPERATURE_EVERY_S = 5.0
TOP = 3  # letters in a state
STALE_S = 10.0  # without a frame for this long the board is not alive


class Feed:
    """Encodes the publisher's newest snapshot; used in the page's thread."""

    def __init__(
        self,
        publisher: SnapshotPublisher,
        teaching: TeachingSession | None,
        picture: bool,
        model: ModelName,
    ) -> None:
        self._publisher, self._teaching = publisher, teaching
        self._picture, self._model = picture, model
        self._temperature: float | None = None
        self._temperature_s = -TEMPERATURE_EVERY_S

    def state(self, have: int = -1) -> tuple[int, bytes]:
        """Return the step's number and its state as JSON, or b"" if it is the one numbered `have`."""
        snapshot = self._publisher.snapshot
        if snapshot is None or snapshot.number == have:
            return have, b""
        return snapshot.number, json.dumps(self._build_state(snapshot), separators=(",", ":")).encode()

    def jpeg(self, have: int = -1) -> tuple[int, bytes]:
        """Return the frame's number and its picture, or b"" if it is the one numbered `have`."""
        snapshot = self._publisher.snapshot
        frame = None if snapshot is None else snapshot.picture
        if frame is None or frame.index == have or not self._picture:
            return have, b""
        return frame.index, encode_jpeg(frame.image)

    def health(self) -> tuple[bool, bytes]:
        """Return whether the board reads frames, and the body of /healthz."""
        snapshot = self._publisher.snapshot
        age_s = None if snapshot is None else snapshot.frame_age_s(time.monotonic())
        camera = None if snapshot is None else {"name": snapshot.camera.name, "state": snapshot.camera.status}
        alive = snapshot is not None and snapshot.read > 0 and age_s is not None and age_s < STALE_S
        body = {
            "alive": alive,
            "version": __version__,
            "camera": camera,
            "frame_age_s": None if age_s is None else round(age_s, 2),
            "model": {
                "created": self._model.created,
                "variant": self._model.variant,
                "sha256": self._model.sha256,
            },
        }
        return alive, json.dumps(body).encode()

    def _build_state(self, snapshot: Snapshot) -> dict[str, object]:
        prediction, frame = snapshot.step.prediction, snapshot.picture
        return {
            "number": snapshot.number,
            "letter": None if prediction is None else prediction.letter,
            "confidence": 0.0 if prediction is None else round(prediction.confidence, 3),
            "top": [] if prediction is None else _build_top(prediction),
            "hand": None
            if prediction is None or frame is None
            else _build_hand(prediction.hand, frame.image),
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
            "picture": self._picture,
            "teaching": None if self._teaching is None else self._teaching.status(),
        }

    def _temperature_c(self) -> float | None:
        now = time.monotonic()
        if now - self._temperature_s >= TEMPERATURE_EVERY_S:
            value = read_temperature_c()
            self._temperature_s, self._temperature = now, None if value is None else round(value, 1)
        return self._temperature


def encode_jpeg(image: Image) -> bytes:
    """Encode (H, W, 3) RGB as JPEG, reduced to at most MAX_SIDE_PX a side."""
    bgr = cv2.cvtColor(scale_down(image, MAX_SIDE_PX), cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes() if encoded else b""


def _build_top(prediction: Prediction) -> list[tuple[str, float]]:
    if prediction.hand is None:
        return []
    return [(letter, round(probability, 3)) for letter, probability in prediction.top(TOP)]


def _build_hand(hand: Hand | None, image: Image) -> dict[str, object] | None:
    """Return box and landmarks as fractions of the picture's sides."""
    if hand is None:
        return None
    height, width = image.shape[:2]
    x0, y0, x1, y1 = hand.box_xyxy
    box = [round(x0 / width, 4), round(y0 / height, 4), round(x1 / width, 4), round(y1 / height, 4)]
    points = (
        [] if hand.landmarks is None else np.round(hand.landmarks.astype(float) / (width, height), 4).tolist()
    )
    return {"box": box, "points": points}
