"""Picture -> where the hand is and what it signs: find it, then look closer.

A palm detector says where hands are, and which way they point (`edge.hand.palm_detector`). The network names
21 points in the square it is shown, best where the hand stands upright in it; squares around those points
give closer looks, as the hand is held and turned upright, and the letter is what all looks say together. The
same points, steadied, make the next frame's square: a hand is followed with one reading a frame, no detector.
"""

import math
from typing import NamedTuple

import numpy as np

from edge.hand.one_euro import OneEuroFilter
from edge.hand.palm_detector import Palm, PalmDetector, no_palms
from edge.package import Package
from edge.preprocess import Square, brighten, cut_square, rotation, to_tensor, whole_square
from edge.records import LETTERS, Array, Box, Engine, Frame, Hand, Image, Output, Prediction

# A reading square's side over the longer side of the box of the points. Training draws squares around this.
# MediaPipe's landmark network was made for 2.0, the ResNet beside it sees the inner 6/7: of 1.5, 1.75, 2.0
# and 2.3 this read most of three times two unseen sources right.
MARGIN = 1.75
WRIST, KNUCKLES = 0, [5, 9, 13]  # of the points; the little finger's knuckle wanders
# How far the hand reaches past its points on every side, over the longer side of their box: so it is in the
# boxes of the labelled photographs (points are joints; fingers are thicker and end later).
SKIN = 0.12
SAME_SQUARE = 0.9  # intersection over union: a look at nearly the same square is spared
# A finger or a face that was taken for the hand would be followed as long as it is in sight. A letter less
# sure than this makes the reader search again, at most so often, and go where a hand is likelier. Of 250
# trembling pictures of five unseen sources, 1.6 s each, 85.2 % were then read right at the end, where it was
# 82.4; a frame took 1.13 readings on average, where it was 1.09.
DOUBT, DOUBT_EVERY_S = 0.5, 1.0
# How much nearer one look may go than the one before: points that are unsure crowd together, and a square
# around them would shrink to a fingertip.
STEP = 0.6

# The looks at the upright hand count together for so much of what the others say. They alone read fewer
# letters right (turned upright an H looks like a U), but the two kinds are wrong about different ones.
UPRIGHT_SHARE = 0.5
# A J is an I that was turned: which of the two it is, the looks at the hand as it is held say alone.
TURNED_ALIKE = [LETTERS.index(letter) for letter in "IJ"]


class View(NamedTuple):
    """Where, and what the network said of it."""

    square: Square
    output: Output
    turn_rad: float | None = None  # of an upright look; the others show the hand as it is held
    mirrored: bool = False  # for its letter alone: its points are those of the other hand


def box_around(landmarks: Array) -> Box:
    """(21, 2) px -> the smallest box that holds them."""
    x0, y0 = landmarks.min(axis=0)
    x1, y1 = landmarks.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def hand_box(landmarks: Array) -> Box:
    """(21, 2) px -> the box of the whole hand, px."""
    x0, y0, x1, y1 = box_around(landmarks)
    skin = SKIN * max(x1 - x0, y1 - y0)
    return x0 - skin, y0 - skin, x1 + skin, y1 + skin


def square_around(box: Box, margin: float = MARGIN) -> Square:
    """The box of the points -> the square centred on it, `margin` times its longer side."""
    x0, y0, x1, y1 = box
    return (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0, 1.0) * margin


def turn_of(landmarks: Array) -> float:
    """(21, 2) px -> how far clockwise of up the hand points, from its wrist to its knuckles; radians."""
    x, y = landmarks[KNUCKLES].mean(axis=0) - landmarks[WRIST]
    return math.atan2(x, -y)


def turned_square(landmarks: Array, turn_rad: float, margin: float = MARGIN) -> Square:
    """(21, 2) px -> the square around them whose upper side points so far clockwise of up."""
    turn = rotation(turn_rad)
    x, y, side = square_around(box_around(landmarks @ turn), margin)
    cx, cy = (turn @ np.array([x, y], np.float32)).tolist()
    return cx, cy, side


def within_a_step(side: float, before: float) -> float:
    """A square's side -> the same, no more than a STEP nearer or farther than the one before."""
    return min(max(side, STEP * before), before / STEP)


def overlap(a: Square, b: Square) -> float:
    """Intersection over union of two squares, 0..1."""
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[2] / 2, b[1] + b[2] / 2) - max(a[1] - a[2] / 2, b[1] - b[2] / 2)
    both = max(width, 0.0) * max(height, 0.0)
    return both / (a[2] ** 2 + b[2] ** 2 - both)


class HandReader:
    """Reads single pictures (`read`) or follows a hand through a stream (`follow`)."""

    def __init__(
        self, engine: Engine, package: Package, min_confidence: float = 0.0, find: PalmDetector = no_palms
    ) -> None:
        self._engine = engine
        self._find = find
        self._size_px = package.size_px
        self._temperature = package.temperature
        self._presence_threshold = package.presence_threshold
        self._min_confidence = min_confidence
        self._reads_upright = package.reads_upright
        # the last look at a hand that is followed, and the square and turn of the next
        self._followed: tuple[View, Square, float | None] | None = None
        self._steady, self._steady_upright = OneEuroFilter(), OneEuroFilter()
        self._searched_s = 0.0

    def read(self, image: Image, t: float = 0.0) -> Prediction:
        """One picture, (H, W, 3) RGB -> Prediction; searches the whole of it.

        No next frame will tell more, and a first look is easily mistaken: it takes a finger for a hand, or a
        face for a fist. So each hand that the detector names, and the one that the whole picture shows, is
        looked at thoroughly before the likeliest is taken. Of 500 pictures of five unseen sources that read
        1.8 points more right, and found 4.4 more hands of 100, than to look so at the likeliest of the
        detector's alone.
        """
        image = brighten(image)
        thorough: dict[Square, list[View]] = {}  # by the square that the first looks ended in
        for looks in sorted(self._candidates(image), key=self._likeness, reverse=True):
            square = _closer(looks[-1])
            if all(overlap(square, other) <= SAME_SQUARE for other in thorough):
                thorough[square] = self._look_thoroughly(image, looks)
        looks = max(thorough.values(), key=self._likeness)
        return self._predict(looks, t, _best_placed(looks))

    def _candidates(self, image: Image) -> list[list[View]]:
        """The looks at each hand that the detector names, and at what the whole picture shows."""
        found = [self._look_closer(image, palm.square, self._turn(palm)) for palm in self._find(image)]
        return [*found, self._look_closer(image, whole_square(image))]

    def _look_closer(
        self, image: Image, square: Square, turn_rad: float | None = None, quickly: bool = False
    ) -> list[View]:
        """A first look at `square`, and where it shows a hand another that stands upright (`quickly`: not if
        the first was turned), and one around the points that this named. Of 200 pictures of each of six
        unseen sources 97.8 % of the hands were found so (IoU 0.5), 95.1 % by looks that showed them as they
        were held."""
        looks = [self._look(image, square, turn_rad)]
        again = turn_rad is None or not quickly
        if self._reads_upright and again and self._shows_something(looks[-1]):
            named, turn_rad = _upright(looks[-1])
            looks.append(self._look(image, _within_a_step(named, looks[-1]), turn_rad))
        if self._shows_something(looks[-1]):
            named = _closer(looks[-1])
            if self._reads_upright or overlap(named, square) <= SAME_SQUARE:
                looks.append(self._look(image, named))
        return looks

    def _shows_something(self, look: View) -> bool:
        """Whether a closer look may find a hand."""
        return _presence(look) >= self._presence_threshold / 2

    def _look_thoroughly(self, image: Image, looks: list[View]) -> list[View]:
        """Those; where they see a hand two more, in the mirror and around its points, and an upright one in
        the mirror. On two times 200 pictures of each of five unseen sources the first two read 1.0 points
        more right, half of them the mirror's."""
        last = looks[-1]
        if _presence(last) < self._presence_threshold:
            return looks
        mirrored = [self._look(image, last.square, mirrored=True)]
        if self._reads_upright:
            upright = _best_placed(looks)
            mirrored.append(self._look(image, upright.square, upright.turn_rad, mirrored=True))
        return [*mirrored, *looks, self._look(image, _closer(last))]

    def _search(self, image: Image) -> list[View]:
        """The looks at the likeliest hand of those that the detector names, two at each; where it shows none,
        at the whole picture: a hand that fills it shows the detector no palm, or a wrong one. With one look
        at each palm 77 % of 300 first frames were read right (unseen sources), with two 89 %."""
        palms = self._find(image)
        found = [self._look_closer(image, palm.square, self._turn(palm), quickly=True) for palm in palms]
        if max((_presence(looks[-1]) for looks in found), default=0.0) < self._presence_threshold:
            found.append(self._look_closer(image, whole_square(image), quickly=True))
        return max(found, key=self._likeness)

    def _turn(self, palm: Palm) -> float | None:
        """Of the first look at it."""
        return palm.turn_rad if self._reads_upright else None

    def _likeness(self, looks: list[View]) -> float:
        """How sure the network is of a hand, and then of its letter; 0..1."""
        return _presence(looks[-1]) * float(np.exp(self._log_shares(looks).max()))

    def follow(self, frame: Frame) -> Prediction:
        """The next frame of a stream -> Prediction; one reading while hand and letter are sure.

        A hand that is followed is looked at upright in every other frame, and a frame says what its look and
        the one before say together.
        """
        image = brighten(frame.image)
        kept: list[View] = []  # at the hand that is followed, where one is in sight
        if self._followed is not None:
            last, square, turn_rad = self._followed
            look = self._look(image, square, turn_rad)
            looks = [last, look] if self._reads_upright else [look]
            prediction = self._predict(looks, frame.t)
            if prediction.hand is not None:
                if not self._is_in_doubt(prediction):
                    self._expect(look, frame.t)
                    return prediction
                kept = looks
        self._searched_s = frame.t
        # what is kept may be no hand: the likeliest is, wherever it is
        looks = max([kept, *self._candidates(image)], key=self._likeness) if kept else self._search(image)
        if looks is not kept:
            self._steady, self._steady_upright = (
                OneEuroFilter(),
                OneEuroFilter(),
            )  # another hand, or another place
        prediction = self._predict(looks, frame.t)
        self._followed = None
        if prediction.hand is not None:
            self._expect(looks[-1], frame.t)
        return prediction

    def _is_in_doubt(self, prediction: Prediction) -> bool:
        """Whether it is time to ask if what is followed is the hand."""
        return prediction.confidence < DOUBT and not 0 <= prediction.t - self._searched_s < DOUBT_EVERY_S

    def _expect(self, look: View, t: float) -> None:
        """The hand of `look` is followed: where to look next, as it is held and upright in turns."""
        self._followed = look, self._steady(_square(look), t), None
        if self._reads_upright:
            square, turn_rad = _upright(look)
            square = self._steady_upright(square, t)
            if look.turn_rad is None:
                self._followed = look, square, turn_rad

    def _look(
        self, image: Image, square: Square, turn_rad: float | None = None, mirrored: bool = False
    ) -> View:
        """`turn_rad`: of an upright look."""
        crop = cut_square(image, square, self._size_px, turn_rad or 0.0)
        tensor = to_tensor(crop[:, ::-1] if mirrored else crop)
        output = self._engine(tensor) if turn_rad is None else self._engine(tensor, upright=True)
        return View(square, output, turn_rad, mirrored)

    def _log_shares(self, looks: list[View]) -> Array:
        """(26,) logarithms of the shares that all looks agree on best."""
        turned = [look for look in looks if look.turn_rad is not None]
        if len(turned) in (0, len(looks)):
            return self._mean_log_shares(looks)
        held = self._mean_log_shares([look for look in looks if look.turn_rad is None])
        upright = self._mean_log_shares(turned)
        of_both = np.logaddexp.reduce(upright[TURNED_ALIKE])
        upright[TURNED_ALIKE] = of_both + _log_shares(held[TURNED_ALIKE])
        together = (held + UPRIGHT_SHARE * upright) / (1 + UPRIGHT_SHARE)
        return _log_shares(np.asarray(together, np.float32))

    def _mean_log_shares(self, looks: list[View]) -> Array:
        """The same of looks of one kind."""
        each = [_log_shares(look.output.letters[0] / self._temperature) for look in looks]
        return _log_shares(np.asarray(np.mean(each, axis=0), np.float32))

    def _predict(self, looks: list[View], t: float, where: View | None = None) -> Prediction:
        """The hand of the last look, its points those of `where`; the letter that all looks agree on best
        (mean of their log shares)."""
        landmarks = _points(where or looks[-1])
        hand = Hand(hand_box(landmarks), landmarks, _presence(looks[-1]))
        shares = np.exp(self._log_shares(looks))
        best = np.argsort(-shares, kind="stable")
        top = tuple((LETTERS[i], float(shares[i])) for i in best)
        if hand.presence < self._presence_threshold:
            return Prediction(None, top[0][1], None, t, top)
        letter = top[0][0] if top[0][1] >= self._min_confidence else None
        return Prediction(letter, top[0][1], hand, t, top)


def _points(look: View) -> Array:
    """(21, 2) px in the picture."""
    cx, cy, side = look.square
    there = (look.output.landmarks[0] - 0.5) * side
    return np.asarray(there @ rotation(look.turn_rad or 0.0).T + (cx, cy), np.float32)


def _presence(look: View) -> float:
    return float(1 / (1 + np.exp(-look.output.presence[0])))


def _best_placed(looks: list[View]) -> View:
    """The one whose points to trust: the last upright one, or the last."""
    upright = [look for look in looks if look.turn_rad is not None and not look.mirrored]
    return upright[-1] if upright else looks[-1]


def _square(look: View) -> Square:
    """Around the points that it named."""
    return square_around(box_around(_points(look)))


def _upright(look: View) -> tuple[Square, float]:
    """The square around the points that it named in which the hand stands upright, and its turn."""
    landmarks = _points(look)
    turn_rad = turn_of(landmarks)
    return turned_square(landmarks, turn_rad), turn_rad


def _closer(look: View) -> Square:
    """Where another look at the same picture should go: no more than a STEP nearer or farther."""
    return _within_a_step(_square(look), look)


def _within_a_step(square: Square, look: View) -> Square:
    cx, cy, side = square
    return cx, cy, within_a_step(side, look.square[2])


def _log_shares(logits: Array) -> Array:
    """(N,) logits -> (N,) logarithms of shares that sum to 1."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()), np.float32)
