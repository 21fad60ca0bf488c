"""Inference engines: each runs one kind of model file of a package."""

from edge.errors import EngineError
from edge.models import DEFAULT_VARIANT
from edge.package import Package
from edge.records import Engine


def open_engine(
    package: Package, variant: str = DEFAULT_VARIANT, threads: int = 1, spinning: bool = False
) -> Engine:
    """Load a variant of the package into the runtime that its file needs.

    There is no fallback. Raises PackageError if the package lacks the variant, EngineError if the runtime is
    not installed or refuses the model.
    """
    if package.runtime(variant) == "torchscript":
        from edge.engines.torchscript import TorchScriptEngine

        return TorchScriptEngine(package, variant, threads)
    try:
        from edge.engines.onnx import OnnxEngine
    except ImportError as error:
        raise EngineError(f"onnxruntime can't be imported ({error}): pip install onnxruntime") from None
    return OnnxEngine(package, variant, threads, spinning)
