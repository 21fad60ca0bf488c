"""The default engine: onnxruntime on the processor's cores."""

import numpy as np

from edge.engines.session import open_session
from edge.errors import PackageError
from edge.package import AGAIN, UPRIGHT, Package
from edge.records import Array, Output

INPUT_NAME = "image"


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
        self._session = open_session(path, threads, spinning, AGAIN)
        takes = {i.name: i.shape for i in self._session.get_inputs()}
        _check(f"{path} takes", takes, package.input_shapes)
        _check(
            f"{path} answers", {o.name: o.shape for o in self._session.get_outputs()}, package.output_shapes
        )
        self._names, self._reads_upright = list(package.output_shapes), package.reads_upright

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        beside = {UPRIGHT: np.array([upright], np.float32)} if self._reads_upright else {}
        answers = [self._session.run(self._names, {INPUT_NAME: row[None], **beside}) for row in tensor]
        letters, presence, landmarks, *features = (
            np.concatenate(parts) for parts in zip(*answers, strict=True)
        )
        return Output(letters, presence[:, 0], landmarks, *features)


def _check(what: str, got: dict[str, list[int]], wanted: dict[str, list[int]]) -> None:
    if got != wanted:
        raise PackageError(f"{what} {_words(got)}, but its metadata says {_words(wanted)}: {AGAIN}")


def _words(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
