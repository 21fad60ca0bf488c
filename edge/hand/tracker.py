"""Streams: find a hand once, then track it with one inference a frame and without the palm detector.

The landmarks of each frame, smoothed, make the square of the next frame.
"""

from dataclasses import replace
from typing import NamedTuple

from edge.geometry import Square
from edge.hand.one_euro import OneEuroFilter
from edge.hand.palm_detector import PalmDetector, no_palms
from edge.hand.search import HandSearch
from edge.hand.view import View, landmark_square, predict, upright_square
from edge.package import ModelSpec
from edge.preprocess import brighten
from edge.records import Engine, Frame, Prediction

# A tracked finger or face would be tracked for as long as it is in sight. A letter below MIN_CONFIDENCE
# starts a new search, at most once in SEARCH_EVERY_S; see docs/experiments.md, "New search while tracking".
MIN_CONFIDENCE, SEARCH_EVERY_S = 0.5, 1.0


class _Track(NamedTuple):
    """A tracked hand."""

    view: View  # the newest
    square: Square  # of the next view
    rotation_rad: float | None  # of the next view, if it is an upright one


class HandTracker:
    """Read the frames of a stream in order. A letter below `min_confidence` (0..1) is None."""

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        min_confidence: float = 0.0,
        palm_detector: PalmDetector = no_palms,
    ) -> None:
        self._search = HandSearch(engine, spec, palm_detector)
        self._spec, self._min_confidence = spec, min_confidence
        self._track: _Track | None = None
        self._smooth, self._smooth_upright = OneEuroFilter(), OneEuroFilter()
        self._searched_t = 0.0

    def follow(self, frame: Frame) -> Prediction:
        """Return the Prediction of the next frame: one inference while hand and letter are certain.

        If the model reads upright views, they alternate with views of the hand as it is held, and a
        Prediction combines the newest two views.
        """
        image = brighten(frame.image)
        tracked: list[View] = []
        if self._track is not None:
            view = self._search.view(image, self._track.square, self._track.rotation_rad)
            views = [self._track.view, view] if self._spec.reads_upright else [view]
            prediction = self._predict(views, frame.t)
            if prediction.hand is not None:
                if not self._must_search(prediction):
                    self._follow_next(view, frame.t)
                    return _with_features(prediction, view)
                tracked = views
        self._searched_t = frame.t
        if tracked:  # the tracked hand competes with every other candidate
            views = max([tracked, *self._search.candidates(image)], key=self._search.likelihood)
        else:
            views = self._search.find(image)
        if views is not tracked:  # another hand, or another place
            self._smooth, self._smooth_upright = OneEuroFilter(), OneEuroFilter()
        prediction = self._predict(views, frame.t)
        self._track = None
        if prediction.hand is not None:
            self._follow_next(views[-1], frame.t)
        return prediction

    def _predict(self, views: list[View], t: float) -> Prediction:
        return predict(views, t, self._spec, self._min_confidence)

    def _must_search(self, prediction: Prediction) -> bool:
        uncertain = prediction.confidence < MIN_CONFIDENCE
        return uncertain and not 0 <= prediction.t - self._searched_t < SEARCH_EVERY_S

    def _follow_next(self, view: View, t: float) -> None:
        """Choose the next square. Both filters see every frame, whichever kind of view comes next."""
        self._track = _Track(view, self._smooth(landmark_square(view), t), None)
        if self._spec.reads_upright:
            square, rotation_rad = upright_square(view)
            square = self._smooth_upright(square, t)
            if view.rotation_rad is None:
                self._track = _Track(view, square, rotation_rad)


def _with_features(prediction: Prediction, view: View) -> Prediction:
    """Add the features and uncorrected logits of the frame's only view, which teaching records."""
    output = view.output
    logits = output.letters if output.uncorrected_letters is None else output.uncorrected_letters
    features = None if output.features is None else output.features[0]
    return replace(prediction, features=features, logits=logits[0])
