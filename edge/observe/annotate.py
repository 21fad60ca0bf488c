"""Draw what was read into a picture: the hand's box and landmarks, the letter and its confidence."""

import cv2
import numpy as np

from edge.records import Image, Prediction

# pairs of landmarks, in MediaPipe's order
BONES = [(0, 1), (0, 5), (0, 17), (5, 9), (9, 13), (13, 17)]
BONES += [(first + k, first + k + 1) for first in (1, 5, 9, 13, 17) for k in range(3)]
GREEN, WHITE, BLACK = (90, 220, 90), (255, 255, 255), (0, 0, 0)
SIDES_PER_LINE = 320  # a line is one px wide for each 320 px of the picture's longer side
FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(image: Image, prediction: Prediction | None, text: str = "") -> Image:
    """Return a copy of the picture, (H, W, 3) RGB, with the prediction and a line of text drawn into it."""
    drawn = np.ascontiguousarray(image).copy()
    height, width = drawn.shape[:2]
    thick = max(1, round(max(height, width) / SIDES_PER_LINE))
    hand = prediction.hand if prediction is not None else None
    if hand is not None:
        x0, y0, x1, y1 = (round(side) for side in hand.box_xyxy)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), GREEN, thick, cv2.LINE_AA)
        landmarks = [] if hand.landmarks is None else hand.landmarks.tolist()
        points = [(round(x), round(y)) for x, y in landmarks]
        for first, second in BONES if points else []:
            cv2.line(drawn, points[first], points[second], WHITE, thick, cv2.LINE_AA)
        for point in points:
            cv2.circle(drawn, point, 2 * thick, GREEN, cv2.FILLED, cv2.LINE_AA)
    _write(drawn, describe(prediction), 0, thick)
    _write(drawn, text, 1, thick)
    return drawn


def describe(prediction: Prediction | None) -> str:
    """Return what was read in a few words: `L 98 %`, `no letter: likeliest L 31 %` or `no hand`."""
    if prediction is None or prediction.hand is None:
        return "no hand"
    (likeliest, share), *_ = prediction.top(1)
    if prediction.letter is None:
        return f"no letter: likeliest {likeliest} {share:.0%}"
    return f"{prediction.letter} {prediction.confidence:.0%}"


def _write(image: Image, text: str, line: int, thick: int) -> None:
    """Write a line of ASCII in the upper left corner."""
    scale = thick * 0.6
    at = (4 * thick, round(30 * scale * (1 + line) + 2 * thick))
    for colour, width in ((BLACK, 4 * thick), (WHITE, thick)):
        cv2.putText(image, text, at, FONT, scale, colour, width, cv2.LINE_AA)
