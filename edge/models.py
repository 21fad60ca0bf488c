"""The model that is shipped, and the names of the variants and providers of a model."""

from pathlib import Path

DEFAULT_MODEL = Path(__file__).parent / "default_model"
VARIANTS = ("int8", "float", "dynamic")  # static QDQ ONNX, float32 ONNX, TorchScript
DEFAULT_VARIANT = "int8"
# of the variants that onnxruntime runs; cuda and tensorrt run on an NVIDIA GPU
PROVIDERS = ("cpu", "cuda", "tensorrt")
DEFAULT_PROVIDER = "cpu"
