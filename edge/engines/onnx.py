"""The default engine: onnxruntime on the processor's cores, or on a GPU if the settings ask for it."""

import numpy as np

from edge.engines.gpu import open_gpu_session
from edge.engines.outputs import check_finite
from edge.engines.session import open_session, reason_in
from edge.errors import EngineError, PackageError
from edge.models import DEFAULT_PROVIDER
from edge.package import AGAIN, INPUT_NAME, UPRIGHT, Package
from edge.records import Array, Output


class OnnxEngine:
    """Run (N, 3, S, S) float32, one crop at a time, because the packaged model takes one.

    `spinning`: idle threads busy-wait, which lowers latency and keeps one core at 100 %.
    Raises EngineError if onnxruntime refuses the file or can't run it on the provider, PackageError if the
    model disagrees with the metadata.
    """

    def __init__(
        self,
        package: Package,
        variant: str = "int8",
        threads: int = 1,
        spinning: bool = False,
        provider: str = DEFAULT_PROVIDER,
    ) -> None:
        path = package.file(variant)
        if provider == DEFAULT_PROVIDER:
            self._session, self.ran_on = open_session(path, threads, spinning, AGAIN), provider
        else:
            self._session, self.ran_on = open_gpu_session(package, variant, provider, threads)
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        outputs = {node.name: node.shape for node in self._session.get_outputs()}
        _check(f"{path} has inputs", inputs, package.input_shapes)
        _check(f"{path} has outputs", outputs, package.output_shapes)
        self._path, self._reads_upright = path, package.reads_upright
        self._names = list(package.output_shapes)

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        flag = {UPRIGHT: np.array([upright], np.float32)} if self._reads_upright else {}
        try:
            rows = [self._session.run(self._names, {INPUT_NAME: crop[None], **flag}) for crop in tensor]
        except Exception as error:  # onnxruntime's errors have no other class in common
            raise EngineError(f"onnxruntime can't run {self._path} ({reason_in(error)}): {AGAIN}") from None
        letters, presence, landmarks, *features = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return check_finite(Output(letters, presence[:, 0], landmarks, *features), self._path)


def _check(what: str, got: dict[str, list[int]], expected: dict[str, list[int]]) -> None:
    if got != expected:
        raise PackageError(f"{what} {_format(got)}, but its metadata says {_format(expected)}: {AGAIN}")


def _format(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
