"""Export a checkpoint as a deployment package. Start reading at package.py."""

import os

# torch reads this once, when it is imported. Its C++ side otherwise prints advice about qnnpack that nobody
# can follow; to_torchscript.py silences the same advice of the Python side.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
