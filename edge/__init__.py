"""What runs on the device. Start reading at pipeline.py; docs/python.md describes the names of __all__."""

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# onnxruntime and OpenCV read these variables once, when they are imported, so they are set here.
# onnxruntime's wheels from 1.32 on have telemetry switched on: asl-edge sends nothing anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# OpenCV refuses a larger picture before it allocates memory. 64 megapixels decode to 192 MB, and are more
# than a phone's ordinary photograph has.
MAX_PICTURE_PIXELS = 64_000_000
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))

if TYPE_CHECKING:
    from edge.api import AslEdgeError, Hand, LetterEvent, Prediction, Reader, follow

__all__ = ["AslEdgeError", "Hand", "LetterEvent", "Prediction", "Reader", "follow"]


def __getattr__(name: str) -> Any:
    """Import the library's names when they are first used: most commands don't need them."""
    if name in __all__:
        return getattr(importlib.import_module("edge.api"), name)
    raise AttributeError(f"module 'edge' has no attribute {name!r}")
