"""The default engine: onnxruntime on the processor's cores."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from edge.errors import EngineError, PackageError
from edge.package import AGAIN, Package
from edge.records import Array, Output

INPUT_NAME = "image"
ERRORS_ONLY = 3  # onnxruntime's severities: 2 is a warning


@contextlib.contextmanager
def _without_native_warnings() -> Iterator[None]:
    """Standard error leads nowhere meanwhile.

    On a Raspberry Pi onnxruntime 1.23 warns, while it is imported and before its log can be set, of a
    graphics card that it did not find (microsoft/onnxruntime#26300): harmless, and easily taken for the
    cause of something else.
    """
    try:
        standard_error = os.dup(2)
    except OSError:  # closed: nothing can be printed to it
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


with _without_native_warnings():
    import onnxruntime as ort  # edge/__init__.py ran before this and switched its telemetry off


class OnnxEngine:
    """(N, 3, S, S) float32 -> Output; each picture is run by itself, as the packaged model takes one.

    `spinning` keeps waiting threads busy: a little faster, at the price of a whole core.
    EngineError where onnxruntime refuses the file, PackageError where the model is not what
    the metadata says.
    """

    def __init__(
        self, package: Package, variant: str = "int8", threads: int = 1, spinning: bool = False
    ) -> None:
        path = package.file(variant)
        ort.set_default_logger_severity(ERRORS_ONLY)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no class in common but this one
            reason = str(error).splitlines()[0].removeprefix("[ONNXRuntimeError] : ")
            raise EngineError(f"onnxruntime can't load {path} ({reason}): {AGAIN}") from None
        wanted_in = {INPUT_NAME: package.metadata["input"]["shape"]}
        _check(f"{path} takes", {i.name: i.shape for i in self._session.get_inputs()}, wanted_in)
        _check(
            f"{path} answers", {o.name: o.shape for o in self._session.get_outputs()}, package.output_shapes
        )
        self._names = list(package.output_shapes)

    def __call__(self, tensor: Array) -> Output:
        answers = [self._session.run(self._names, {INPUT_NAME: row[None]}) for row in tensor]
        letters, presence, points, *features = (np.concatenate(parts) for parts in zip(*answers, strict=True))
        return Output(letters, presence[:, 0], points, *features)


def _check(what: str, got: dict[str, list[int]], wanted: dict[str, list[int]]) -> None:
    if got != wanted:
        raise PackageError(f"{what} {_words(got)}, but its metadata says {_words(wanted)}: {AGAIN}")


def _words(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
