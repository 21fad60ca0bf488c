"""What runs on the device. Start reading at pipeline.py."""

import os

# Set before anything imports onnxruntime or OpenCV: both read their environment once, at load.
# onnxruntime's wheels from 1.32 on hold telemetry that is on by default; a camera in somebody's home
# sends nothing anywhere and leaves no database behind.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# OpenCV refuses a larger picture before it allocates memory for it. 64 megapixels is above any phone's
# ordinary photograph and decodes to 192 MB.
MAX_PICTURE_PIXELS = 64_000_000
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PICTURE_PIXELS))

__version__ = "0.1.0"
