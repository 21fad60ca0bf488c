"""What runs on the device. Start reading at pipeline.py."""

import os

__version__ = "0.2.0"

# onnxruntime and OpenCV read these variables once, when they are imported, so they are set here.
# onnxruntime's wheels from 1.32 on have telemetry switched on: asl-edge sends nothing anywhere.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# OpenCV refuses a larger picture before it allocates memory. 64 megapixels decode to 192 MB, and are more
# than a phone's ordinary photograph has.
MAX_PICTURE_PIXELS = 64_000_000
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))
