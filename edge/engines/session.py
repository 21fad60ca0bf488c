"""Open onnxruntime sessions, for the letter network and the palm detector."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from edge.engines.external_data import has_external_data
from edge.errors import EngineError, os_errors_as

__all__ = ["CPU", "load_session", "make_options", "open_session", "ort", "reason_in"]

MAX_REASON = 300  # characters; the names of a model's nodes are in it
CPU = "CPUExecutionProvider"
FATAL_ONLY = 4  # of onnxruntime's severities; an error is raised as an exception, too


@contextlib.contextmanager
def _without_native_warnings() -> Iterator[None]:
    """Discard the output of native code on standard error.

    On a Raspberry Pi, onnxruntime 1.23 warns about a missing graphics card during its import, before its log
    level can be set (microsoft/onnxruntime#26300). The warning is harmless but looks like the cause of other
    errors.
    """
    try:
        standard_error = os.dup(2)
    except OSError:  # standard error is closed already
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(null)


with _without_native_warnings():
    import onnxruntime as ort  # after edge/__init__.py, which disables its telemetry


def open_session(path: Path, threads: int, spinning: bool, advice: str) -> ort.InferenceSession:
    """Open a model on the processor's cores. `spinning`: idle threads busy-wait.

    Raises EngineError as `load_session` does.
    """
    return load_session(path, make_options(threads, spinning), [(CPU, {})], advice)


def make_options(threads: int, spinning: bool) -> ort.SessionOptions:
    """Return options under which onnxruntime prints nothing."""
    ort.set_default_logger_severity(FATAL_ONLY)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    return options


def load_session(
    path: Path, options: ort.SessionOptions, providers: list[tuple[str, dict[str, str]]], advice: str
) -> ort.InferenceSession:
    """Load a model for these providers of onnxruntime, each with its options, best first.

    Raises EngineError, whose message ends in `advice`, if onnxruntime refuses the file, or if the model keeps
    weights in other files, which nobody has verified.
    """
    model = _read_model(path, advice)
    try:
        # its fallback would try again after an error, and print to standard output
        return ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's errors have no other class in common
        raise EngineError(f"onnxruntime can't load {path} ({reason_in(error)}): {advice}") from None


def reason_in(error: Exception) -> str:
    """Return the first line of an error of onnxruntime."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].removeprefix("[ONNXRuntimeError] : ")[:MAX_REASON]


def _read_model(path: Path, advice: str) -> bytes:
    """Return the bytes of a model. onnxruntime gets them, so that it reads no other file."""
    with os_errors_as(EngineError, f"{path} can't be read"):
        model = path.read_bytes()
    try:
        elsewhere = has_external_data(model)
    except ValueError as error:
        raise EngineError(f"{path} is no ONNX model ({error}): {advice}") from None
    if elsewhere:
        raise EngineError(
            f"{path} keeps weights outside of its file (ONNX external data), where no checksum covers them: "
            "save the model as one file"
        )
    return model
