"""Export the network as asl_resnet18.dynamic.pt: TorchScript with its two last layers quantised.

It is for devices with PyTorch. Every use of torch.ao.quantization and torch.jit is in this file, with the
warnings that they give.
"""

import contextlib
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from edge.errors import DataError
from edge.package import UPRIGHT_SHAPE
from edge.records import Array
from export.to_onnx import HELD, TURNED, WithFeatures, run_reference
from train.model.network import AslNet

LAST_LAYERS = {"last", "last_upright"}  # in WithFeatures
BOTH = (HELD, TURNED)
KERNELS = ("x86", "qnnpack")  # torch's quantised kernels on a workstation and on an ARM board


def export_torchscript(model: AslNet, size_px: int, path: Path, inputs: Sequence[Array]) -> dict[str, float]:
    """Write `path` and return its largest difference from `model` over `inputs`, by kernels.

    Loading a TorchScript file runs no Python code from it. Raises DataError if the outputs of a loaded copy
    differ by more than quantising the last layers explains.
    """
    example = torch.zeros(1, 3, size_px, size_px), torch.zeros(UPRIGHT_SHAPE)
    # A file traced with one kind of kernels loads with any other, because only the int8 weights are saved
    # and packed again while loading. Packing needs the right kernels: they must be chosen before
    # torch.jit.load and stay while the model runs.
    with ignore_known_warnings(), quantised_kernels(KERNELS[0]), torch.no_grad():
        quantised = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            WithFeatures(model).eval(), LAST_LAYERS, torch.qint8
        )
        traced = torch.jit.trace(quantised, example)  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()  # not the path, so that a full disk is an OSError
        torch.jit.save(traced, buffer)
    path.write_bytes(buffer.getvalue())
    differences = {kernels: _find_difference(model, path, inputs, kernels) for kernels in KERNELS}
    allowed = rounding_bound(model, inputs)
    for kernels, difference in differences.items():
        if not difference <= allowed:
            raise DataError(
                f"the outputs of {path.name} with {kernels} kernels may differ by {allowed:.2g} from the "
                f"checkpoint, got {difference:.2g}: this torch converts the model wrongly"
            )
    return differences


def rounding_bound(model: AslNet, inputs: Sequence[Array]) -> float:
    """Return how far 8-bit weights and 7-bit inputs of a last layer can move an output.

    That is six standard deviations. Each rounding is off by up to half a step, evenly distributed (variance
    step^2 / 12), and an output sums one such error for each of its weights and inputs. x86 rounds inputs to
    7 bits, so that its 16-bit sums can't overflow; qnnpack keeps 8 bits and is more precise.
    """
    with torch.inference_mode():
        squares = [(torch.from_numpy(tensor), torch.from_numpy(up)) for tensor in inputs for up in BOTH]
        features = torch.cat([model.features(image, upright)[0] for image, upright in squares])
        weights = torch.cat([layer.weight.detach() for layer in model.last_layers()])
    weight_step = 2 * float(weights.abs().max()) / 255
    input_step = float(features.max() - features.min()) / 127
    variance = float(features.square().sum(1).max()) * weight_step**2 / 12
    variance += float(weights.square().sum(1).max()) * input_step**2 / 12
    return 6 * math.sqrt(variance)


@contextlib.contextmanager
def quantised_kernels(name: str) -> Iterator[None]:
    """Choose torch's quantised kernels inside the context; the choice holds for the whole process."""
    before = torch.backends.quantized.engine
    try:
        torch.backends.quantized.engine = name
    except RuntimeError:
        supported = ", ".join(torch.backends.quantized.supported_engines)
        raise DataError(
            f"this torch has no {name} kernels, only {supported}: export on an x86 workstation, or leave the "
            "dynamic variant out with --variants int8,float"
        ) from None
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _find_difference(model: AslNet, path: Path, inputs: Sequence[Array], kernels: str) -> float:
    """Compare `model` with the file, loaded with `kernels`, over all outputs and inputs."""
    worst = 0.0
    with ignore_known_warnings(), quantised_kernels(kernels), torch.inference_mode():
        loaded = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        for tensor in inputs:
            for up in BOTH:
                outputs = loaded(torch.from_numpy(tensor), torch.from_numpy(up))
                for got, expected in zip(outputs, run_reference(model, tensor, up), strict=True):
                    worst = max(worst, float((got - expected).abs().nan_to_num(math.inf).max()))
    return worst


@contextlib.contextmanager
def ignore_known_warnings() -> Iterator[None]:
    """Ignore the deprecation of torch.ao.quantization and torch.jit, which the pinned torch still has."""
    with warnings.catch_warnings():
        ignore = warnings.filterwarnings
        ignore("ignore", r"torch\.ao\.quantization is deprecated", DeprecationWarning)
        ignore("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        # torch.ao itself calls these to make its int8 weights
        ignore("ignore", r"torch\.quantize_per_tensor, torch\.quantize_per_channel", UserWarning)
        # qnnpack rounds inputs to 8 bits although 7 were requested, which is more precise (`rounding_bound`)
        ignore("ignore", r"Currently, qnnpack incorrectly ignores reduce_range", UserWarning)
        yield
