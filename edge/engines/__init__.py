"""Inference engines: a package -> something that answers tensors. One file each."""

from edge.errors import EngineError
from edge.package import Package
from edge.records import Engine

ENGINES = ("onnx", "torchscript")
SUFFIX = {"onnx": ".onnx", "torchscript": ".pt"}
DEFAULT_VARIANT = {"onnx": "int8", "torchscript": "dynamic"}


def open_engine(
    name: str, package: Package, variant: str | None = None, threads: int = 1, spinning: bool = False
) -> Engine:
    """The named engine with a variant of the package loaded (None: the engine's usual one).

    Nothing is tried in its place: EngineError where it is unknown, not installed, or refuses the model.
    """
    if name not in ENGINES:
        raise EngineError(f"there is no engine '{name}': take one of {', '.join(ENGINES)}")
    variant = variant or DEFAULT_VARIANT[name]
    file = package.file(variant)
    if file.suffix != SUFFIX[name]:
        raise EngineError(
            f"the engine '{name}' can't run the variant '{variant}': {file} is no {SUFFIX[name]}"
        )
    if name == "onnx":
        try:
            from edge.engines.onnx import OnnxEngine
        except ImportError as error:
            raise EngineError(f"onnxruntime can't be imported ({error}): pip install onnxruntime") from None
        return OnnxEngine(package, variant, threads, spinning)
    from edge.engines.torchscript import TorchScriptEngine

    return TorchScriptEngine(package, variant, threads)
