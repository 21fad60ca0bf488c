"""onnxruntime's sessions: one way to open them, for the reading network and the palm detector alike."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from edge.errors import EngineError

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


def open_session(path: Path, threads: int, spinning: bool, advice: str) -> ort.InferenceSession:
    """On the processor's cores. `spinning` keeps waiting threads busy. EngineError, which ends in `advice`,
    where onnxruntime refuses the file."""
    ort.set_default_logger_severity(ERRORS_ONLY)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class in common but this one
        reason = str(error).splitlines()[0].removeprefix("[ONNXRuntimeError] : ")
        raise EngineError(f"onnxruntime can't load {path} ({reason}): {advice}") from None
