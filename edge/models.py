"""The model that is shipped, and the names of the variants of a model that a package can hold."""

from pathlib import Path

DEFAULT_MODEL = Path(__file__).parent / "default_model"
VARIANTS = ("int8", "float", "dynamic")  # static QDQ ONNX, float32 ONNX, TorchScript
DEFAULT_VARIANT = "int8"
