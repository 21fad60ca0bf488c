"""Choose the golden pictures of a package: drawn hands that every variant reads right, by a clear margin.

No photograph is among them. A device reads them before it takes the package: edge/engines/golden_pictures.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.engines.golden_pictures import MIN_CONFIDENCE
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.package import ModelSpec
from edge.records import LETTERS, Engine, Image
from edge.synthetic.painter import paint_hand, random_appearance
from edge.synthetic.poses import POSES, hand_joints, rotation

WIDTH_PX, HEIGHT_PX = 240, 180
OVERSAMPLING = 2  # painted at twice the size and averaged down for smooth edges
TURN_DEG = 8.0  # largest yaw, pitch and roll of the drawn hand
# J and Z are movements: a still of them is a guess.
STILL_LETTERS = tuple(letter for letter in LETTERS if letter not in "JZ")
HANDS = 6  # letters to choose, beside a picture without a hand
TRIES = 72  # drawn hands to try, each letter three times
# A hand is also found at a presence threshold halfway to 1, and none at a threshold halfway to 0.
THRESHOLD_MARGIN = 0.5

Entries = list[dict[str, Any]]


def write_golden_pictures(folder: Path, engines: Mapping[str, Engine], spec: ModelSpec) -> Entries:
    """Write the pictures into `folder` and return the section of the metadata, empty if too few are read.

    `engines` are those of the variants, by name.
    """
    palm_detector = MediaPipePalmDetector()
    chosen: dict[str, tuple[Image, dict[str, float]]] = {}
    for number in range(TRIES):
        letter = STILL_LETTERS[number * 7 % len(STILL_LETTERS)]  # 7: letters that follow look different
        if letter in chosen:
            continue
        image = draw_golden(np.random.default_rng(number), letter)
        if (confidence := _read_all(image, letter, engines, spec, palm_detector)) is not None:
            chosen[letter] = image, confidence
        if len(chosen) == HANDS:
            break
    else:
        return []
    entries = [_write(folder, letter, image, confidence) for letter, (image, confidence) in chosen.items()]
    empty = draw_golden(np.random.default_rng(TRIES), None)
    if _read_all(empty, None, engines, spec, palm_detector) is not None:
        entries.append(_write(folder, None, empty, {}))
    return entries


def draw_golden(rng: np.random.Generator, letter: str | None) -> Image:
    """Return (H, W, 3): a drawn hand before a plain wall, or the wall alone. The seed decides all of it."""
    width, height = WIDTH_PX * OVERSAMPLING, HEIGHT_PX * OVERSAMPLING
    wall = rng.uniform(90, 200) + rng.normal(0, 12, 3) + np.linspace(-20, 20, width)[None, :, None]
    canvas = np.ascontiguousarray(np.broadcast_to(wall.clip(0, 255).astype(np.uint8), (height, width, 3)))
    if letter is not None:
        joints = hand_joints(POSES[letter]) @ rotation(*rng.uniform(-TURN_DEG, TURN_DEG, 3)).T
        centre_px = np.array([width * rng.uniform(0.4, 0.6), height * 0.46])
        paint_hand(canvas, joints, height * rng.uniform(0.24, 0.28), centre_px, random_appearance(rng))
    return np.asarray(cv2.resize(canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _read_all(
    image: Image,
    letter: str | None,
    engines: Mapping[str, Engine],
    spec: ModelSpec,
    palm_detector: MediaPipePalmDetector,
) -> dict[str, float] | None:
    """Return each variant's confidence, or None unless all read the letter by a clear margin."""
    threshold = spec.presence_threshold
    stricter = 1 - (1 - threshold) * THRESHOLD_MARGIN if letter else threshold * THRESHOLD_MARGIN
    confidence = {}
    for variant, engine in engines.items():
        for thresholds in (threshold, stricter):
            reader = HandReader(
                engine, replace(spec, presence_threshold=thresholds), palm_detector=palm_detector
            )
            prediction = reader.read(image)
            if prediction.letter != letter or (letter and prediction.confidence < MIN_CONFIDENCE):
                return None
            confidence[variant] = round(prediction.confidence, 4)
    return confidence


def _write(folder: Path, letter: str | None, image: Image, confidence: Mapping[str, float]) -> dict[str, Any]:
    name = f"golden_{letter or 'no_hand'}.png"
    data = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    (folder / name).write_bytes(data.tobytes())
    return {"name": name, "letter": letter, "confidence": dict(confidence)}


def file_names(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the pictures of a section."""
    return [str(entry["name"]) for entry in entries]
