"""The engine for devices that run PyTorch anyway: the dynamically quantised TorchScript variant.

A TorchScript file is a program. It holds no Python code, but torch's operators that it may call can read and
write files, already while it is loaded. So it runs only for who asks for `dynamic` by name.
"""

import os
import platform
import warnings

import numpy as np

from edge.engines.outputs import check_finite
from edge.errors import EngineError, PackageError
from edge.package import AGAIN, Package
from edge.records import Array, Output

CAN_DO = (
    "the variant dynamic is TorchScript, a program that can read and write the files of the user who runs "
    "it: take it only from somebody you trust, or take --variant int8, which can't"
)
ARM_KERNELS = "qnnpack"  # torch chooses none on ARM and then can't load the model (pytorch#123507)


class TorchScriptEngine:
    """Run (N, 3, S, S) float32, one crop at a time, because the packaged model takes one.

    `kernels` names torch's quantised kernels ("x86", "qnnpack"); None chooses those for this processor.
    Raises EngineError if torch is not installed or refuses the file.
    """

    ran_on = "cpu"

    def __init__(
        self, package: Package, variant: str = "dynamic", threads: int = 1, kernels: str | None = None
    ) -> None:
        path = package.file(variant)
        # otherwise torch's C++ code prints a deprecation of quantised tensors in every program that loads one
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        try:
            import torch  # here, because most devices do without its hundreds of megabytes
        except ImportError:
            raise EngineError(
                "the variant dynamic needs PyTorch, which is not installed: pip install torch, "
                "or take --variant int8"
            ) from None
        except OSError as error:  # on a Jetson, a missing CUDA library
            raise EngineError(
                f"PyTorch can't be loaded ({error}): install it again, or take --variant int8"
            ) from None
        torch.set_num_threads(threads)
        if kernels is None and platform.machine() == "aarch64":
            kernels = ARM_KERNELS
        if kernels is not None:
            torch.backends.quantized.engine = kernels
        self._torch, self._reads_upright, self._path = torch, package.reads_upright, path
        try:
            with warnings.catch_warnings():
                # torch.jit is deprecated since 2.10 and still present in 2.15; devices pin their torch
                warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", DeprecationWarning)
                self._model = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise EngineError(f"torch {torch.__version__} can't load {path} ({reason}): {AGAIN}") from None
        self._check(str(path), package)

    def __call__(self, tensor: Array, upright: bool = False) -> Output:
        flag = [self._torch.tensor([float(upright)])] if self._reads_upright else []
        with self._torch.inference_mode():
            rows = [self._model(self._torch.from_numpy(crop[None]), *flag) for crop in tensor]
        letters, presence, landmarks, *features = (
            np.concatenate([part.numpy() for part in parts]) for parts in zip(*rows, strict=True)
        )
        return check_finite(Output(letters, presence[:, 0], landmarks, *features), self._path)

    def _check(self, path: str, package: Package) -> None:
        """TorchScript files hold neither names nor shapes, so run the model once on zeros."""
        with self._torch.inference_mode(), warnings.catch_warnings():
            # on ARM, at the first inference; there, 8 bits without reduce_range are intended
            warnings.filterwarnings(
                "ignore", "Currently, qnnpack incorrectly ignores reduce_range", UserWarning
            )
            shapes = package.input_shapes.values()
            try:
                output = self._model(*(self._torch.zeros(shape) for shape in shapes))
            except RuntimeError as error:  # for example another number of inputs
                reason = str(error).strip().splitlines()[0]
                raise PackageError(f"{path} can't be run as its metadata says ({reason}): {AGAIN}") from None
        got = [list(part.shape) for part in output] if isinstance(output, tuple) else "no tuple"
        expected = list(package.output_shapes.values())
        if got != expected:
            raise PackageError(f"{path} has outputs {got}, but its metadata says {expected}: {AGAIN}")
