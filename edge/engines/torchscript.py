"""For devices that run PyTorch anyway: the dynamically quantised TorchScript variant."""

import os
import platform
import warnings

import numpy as np

from edge.errors import EngineError, PackageError
from edge.package import AGAIN, Package
from edge.records import Array, Output

ARM_KERNELS = "qnnpack"  # torch picks none by itself on ARM and then can't load the model (pytorch#123507)


class TorchScriptEngine:
    """(N, 3, S, S) float32 -> Output; each picture is run by itself, as the packaged model takes one.

    `kernels` names torch's quantised kernels ("x86", "qnnpack"); None takes those for this processor.
    EngineError where torch is not installed or refuses the file. Loading runs no Python of the package.
    """

    def __init__(
        self, package: Package, variant: str = "dynamic", threads: int = 1, kernels: str | None = None
    ) -> None:
        path = package.file(variant)
        # torch's C++ side prints a deprecation of quantised tensors for each program that loads one
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        try:
            import torch  # hundreds of megabytes that a device does not need: never at the top of this file
        except ImportError:
            raise EngineError(
                "the variant dynamic needs PyTorch, which is not installed: pip install torch, "
                "or take --variant int8"
            ) from None
        except OSError as error:  # a library of CUDA that is missing, on a Jetson
            raise EngineError(
                f"PyTorch can't be loaded ({error}): install it again, or take --variant int8"
            ) from None
        torch.set_num_threads(threads)
        if kernels is None and platform.machine() == "aarch64":
            kernels = ARM_KERNELS
        if kernels is not None:
            torch.backends.quantized.engine = kernels
        self._torch, self._reads_upright = torch, package.reads_upright
        try:
            with warnings.catch_warnings():
                # torch.jit is deprecated from 2.10 on and still there in 2.15; a device pins the torch it has
                warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", DeprecationWarning)
                self._model = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise EngineError(f"torch {torch.__version__} can't load {path} ({reason}): {AGAIN}") from None
        self._check(str(path), package)

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        beside = [self._torch.tensor([float(upright)])] if self._reads_upright else []
        with self._torch.inference_mode():
            answers = [self._model(self._torch.from_numpy(row[None]), *beside) for row in tensor]
        letters, presence, landmarks, *features = (
            np.concatenate([part.numpy() for part in parts]) for parts in zip(*answers, strict=True)
        )
        return Output(letters, presence[:, 0], landmarks, *features)

    def _check(self, path: str, package: Package) -> None:
        """TorchScript files tell neither names nor shapes: one reading of nothing shows them."""
        with self._torch.inference_mode(), warnings.catch_warnings():
            # on ARM, said once at the first reading; 8 bits without reduce_range are what ARM is meant to run
            warnings.filterwarnings(
                "ignore", "Currently, qnnpack incorrectly ignores reduce_range", UserWarning
            )
            shapes = package.input_shapes.values()
            try:
                answer = self._model(*(self._torch.zeros(shape) for shape in shapes))
            except RuntimeError as error:  # of another number of inputs
                reason = str(error).strip().splitlines()[0]
                raise PackageError(f"{path} can't be run as its metadata says ({reason}): {AGAIN}") from None
        got = [list(part.shape) for part in answer] if isinstance(answer, tuple) else "no tuple"
        wanted = list(package.output_shapes.values())
        if got != wanted:
            raise PackageError(f"{path} answers {got}, but its metadata says {wanted}: {AGAIN}")
