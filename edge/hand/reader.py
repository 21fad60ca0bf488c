"""Single pictures: find the hand and read its letter. No later frame corrects a mistake."""

from edge.geometry import Square, square_iou
from edge.hand.palm_detector import PalmDetector, no_palms
from edge.hand.search import SAME_SQUARE_IOU, HandSearch
from edge.hand.view import View, closer_square, predict
from edge.package import ModelSpec
from edge.preprocess import brighten
from edge.records import Engine, Image, Prediction


class HandReader:
    """Read single pictures. A letter with a probability below `min_confidence` (0..1) is None."""

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        min_confidence: float = 0.0,
        palm_detector: PalmDetector = no_palms,
    ) -> None:
        self.search = HandSearch(engine, spec, palm_detector)
        self._spec, self._min_confidence = spec, min_confidence

    def read(self, image: Image, t: float = 0.0) -> Prediction:
        """Return the Prediction of a picture (H, W, 3) RGB, taken at `t` seconds.

        A first view easily mistakes a finger for a hand, or a face for a fist. So every candidate is viewed
        thoroughly before the likeliest is taken; see docs/experiments.md, "Candidates in a single picture".
        """
        image = brighten(image)
        thorough: dict[Square, list[View]] = {}  # by the closest square of a candidate
        for views in sorted(self.search.candidates(image), key=self.search.likelihood, reverse=True):
            square = closer_square(views[-1])
            if all(square_iou(square, other) <= SAME_SQUARE_IOU for other in thorough):
                thorough[square] = self._view_thoroughly(image, views)
        views = max(thorough.values(), key=self.search.likelihood)
        return predict(views, t, self._spec, self._min_confidence, placed_by=_best_placed(views))

    def _view_thoroughly(self, image: Image, views: list[View]) -> list[View]:
        """Add, if the views show a hand: mirrored views of both kinds, and a closer view.

        See docs/experiments.md, "Mirrored views".
        """
        last = views[-1]
        if last.presence < self._spec.presence_threshold:
            return views
        mirrored = [self.search.view(image, last.square, mirrored=True)]
        if self._spec.reads_upright:
            upright = _best_placed(views)
            mirrored.append(
                self.search.view(image, upright.square, rotation_rad=upright.rotation_rad, mirrored=True)
            )
        return [*mirrored, *views, self.search.view(image, closer_square(last))]


def _best_placed(views: list[View]) -> View:
    """Return the view with the most exact landmarks: the last upright one, or the last."""
    upright = [view for view in views if view.rotation_rad is not None and not view.mirrored]
    return upright[-1] if upright else views[-1]
