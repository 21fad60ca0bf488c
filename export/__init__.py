"""The workstation's last stage: a checkpoint -> a deployment package. Start reading at package.py."""

import os

# Read once, when torch is loaded: its C++ side prints advice about qnnpack that nobody can follow (see
# to_torchscript.py, which keeps the same words of the Python side away).
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
