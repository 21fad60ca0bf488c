"""Search a picture for the hand: where the palm detector sees one, and in the whole picture.

The network names 21 landmarks in each square that it is shown, most exactly if the hand stands upright and
fills the square. So every place is viewed two or three times, each time closer.
"""

from collections.abc import Sequence

import numpy as np

from edge.geometry import Square, square_iou
from edge.hand.palm_detector import Palm, PalmDetector, no_palms
from edge.hand.view import View, closer_square, closer_upright_square, log_probabilities, take_view
from edge.package import ModelSpec
from edge.preprocess import whole_square
from edge.records import Engine, Image

SAME_SQUARE_IOU = 0.9  # a square that overlaps another by more is not viewed again


class HandSearch:
    """Find hands in single pictures, each as a list of views from coarse to close."""

    def __init__(self, engine: Engine, spec: ModelSpec, palm_detector: PalmDetector = no_palms) -> None:
        self.spec = spec
        self._engine, self._palm_detector = engine, palm_detector

    def view(
        self, image: Image, square: Square, rotation_rad: float | None = None, mirrored: bool = False
    ) -> View:
        """Run the network on one square; `rotation_rad` as in `take_view`."""
        return take_view(image, square, self._engine, self.spec.size_px, rotation_rad, mirrored)

    def candidates(self, image: Image) -> list[list[View]]:
        """Return the views of each palm that the detector finds, and those of the whole picture."""
        found = [
            self.zoom_in(image, palm.square, self._rotation(palm)) for palm in self._palm_detector(image)
        ]
        return [*found, self.zoom_in(image, whole_square(image))]

    def find(self, image: Image) -> list[View]:
        """Return the views of the likeliest hand, with two views for each palm.

        The whole picture is viewed only if no palm shows a hand: the detector misses a hand that fills the
        picture. See docs/experiments.md, "Views of a first frame".
        """
        found = [
            self.zoom_in(image, palm.square, self._rotation(palm), quick=True)
            for palm in self._palm_detector(image)
        ]
        if max((views[-1].presence for views in found), default=0.0) < self.spec.presence_threshold:
            found.append(self.zoom_in(image, whole_square(image), quick=True))
        return max(found, key=self.likelihood)

    def zoom_in(
        self, image: Image, square: Square, rotation_rad: float | None = None, quick: bool = False
    ) -> list[View]:
        """Return a first view of `square`, an upright view of the hand in it, and one as the hand is held.

        `quick` omits the upright view if the first one was rotated already. A view that shows no hand ends
        the list. See docs/experiments.md, "Upright views".
        """
        views = [self.view(image, square, rotation_rad)]
        wants_upright = self.spec.reads_upright and (rotation_rad is None or not quick)
        if wants_upright and self._may_show_hand(views[-1]):
            views.append(self.view(image, *closer_upright_square(views[-1])))
        if self._may_show_hand(views[-1]):
            closer = closer_square(views[-1])
            if self.spec.reads_upright or square_iou(closer, square) <= SAME_SQUARE_IOU:
                views.append(self.view(image, closer))
        return views

    def likelihood(self, views: Sequence[View]) -> float:
        """Return the probability of a hand times that of its best letter, 0..1."""
        best = log_probabilities(views, self.spec.temperature).max()
        return views[-1].presence * float(np.exp(best))

    def _may_show_hand(self, view: View) -> bool:
        """Half the threshold: a closer view may still show a hand."""
        return view.presence >= self.spec.presence_threshold / 2

    def _rotation(self, palm: Palm) -> float | None:
        return palm.rotation_rad if self.spec.reads_upright else None
