"""Read a package's golden pictures end to end: palm detector, search, crops, network, calibration.

The golden input (golden.py) says that this machine computes as the workstation did. These pictures say that
the package reads hands at all: a wrong temperature or presence threshold changes no logit.
"""

from edge.errors import PackageError
from edge.hand.palm_detector import PalmDetector
from edge.hand.reader import HandReader
from edge.package import AGAIN, GoldenPicture, Package
from edge.pictures import read_picture
from edge.records import Engine, Prediction

# The confidence may differ by this much from the export's: logits differ a little between machines, and
# TOLERANCE of golden.py allows them to. The export takes only pictures that are read with MIN_CONFIDENCE.
TOLERANCE = 0.2
MIN_CONFIDENCE = 0.8


def check_golden_pictures(
    engine: Engine, package: Package, variant: str, palm_detector: PalmDetector
) -> list[Prediction]:
    """Read every golden picture and return what was read.

    Raises PackageError unless each letter is read with about the confidence that the export had, and no hand
    is seen where there is none; also for a package of version 2 without pictures. PictureError names a
    picture that can't be decoded.
    """
    pictures = [p for p in package.golden_pictures if p.letter is None or variant in p.confidence]
    if package.schema_version > 1 and all(picture.letter is None for picture in pictures):
        raise PackageError(
            f"{package.folder} holds no golden pictures of {variant}, so nobody knows whether it can read: "
            f"{AGAIN}, or add some with python -m export.upgrade"
        )
    reader = HandReader(engine, package.spec, palm_detector=palm_detector)
    predictions = []
    for picture in pictures:
        prediction = reader.read(read_picture(picture.path))
        if problem := _find_problem(picture, prediction, variant):
            raise PackageError(
                f"{package.files[variant]} reads {picture.path.name} wrong: {problem}; {AGAIN}"
            )
        predictions.append(prediction)
    return predictions


def _find_problem(picture: GoldenPicture, prediction: Prediction, variant: str) -> str:
    """Return what is wrong with the prediction, or ""."""
    got = f"{prediction.letter or 'no hand'} with confidence {prediction.confidence:.2f}"
    if picture.letter is None:
        return "" if prediction.hand is None else f"it shows no hand, got {got}"
    expected = picture.confidence[variant]
    if prediction.letter != picture.letter or not abs(prediction.confidence - expected) <= TOLERANCE:
        return f"expected {picture.letter} with confidence {expected:.2f} (within {TOLERANCE}), got {got}"
    return ""
