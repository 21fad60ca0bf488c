"""Inference engines: each runs one kind of model file of a package."""

from edge.errors import EngineError
from edge.models import DEFAULT_PROVIDER, DEFAULT_VARIANT
from edge.package import Package
from edge.records import LoadedEngine


def open_engine(
    package: Package,
    variant: str = DEFAULT_VARIANT,
    threads: int = 1,
    spinning: bool = False,
    provider: str = DEFAULT_PROVIDER,
) -> LoadedEngine:
    """Load a variant of the package into the runtime that its file needs.

    There is no fallback. Raises PackageError if the package lacks the variant, EngineError if the runtime is
    not installed, refuses the model, or can't run it on the provider.
    """
    if package.runtime(variant) == "torchscript":
        if provider != DEFAULT_PROVIDER:
            raise EngineError(
                f"the variant {variant} runs in PyTorch on the processor, not on {provider}: take --variant "
                f"int8, or --provider {DEFAULT_PROVIDER}"
            )
        from edge.engines.torchscript import TorchScriptEngine

        return TorchScriptEngine(package, variant, threads)
    try:
        from edge.engines.onnx import OnnxEngine
    except ImportError as error:
        raise EngineError(f"onnxruntime can't be imported ({error}): pip install onnxruntime") from None
    return OnnxEngine(package, variant, threads, spinning, provider)
