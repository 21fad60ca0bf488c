"""The network -> asl_resnet18.dynamic.pt: TorchScript, two last layers quantised; for devices with PyTorch.

Every use of torch.ao.quantization and torch.jit is in this file, with the warnings that they give.
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
from export.to_onnx import AS_IT_IS, TURNED, WithFeatures, answers_of
from train.model.network import AslNet

LAST_LAYERS = {"last", "last_upright"}  # in WithFeatures
BOTH = (AS_IT_IS, TURNED)
KERNELS = ("x86", "qnnpack")  # torch's quantised kernels on a workstation and on an ARM board


def export_torchscript(model: AslNet, size_px: int, path: Path, inputs: Sequence[Array]) -> dict[str, float]:
    """Write `path` -> the largest difference from `model` over `inputs`, by kernels.

    The file is TorchScript: loading it runs no Python of whoever made it. DataError where a loaded copy
    answers further from the original than quantising the last layers explains.
    """
    example = torch.zeros(1, 3, size_px, size_px), torch.zeros(UPRIGHT_SHAPE)
    # Tried with torch 2.13: a file traced under any of the kernels loads under any other and answers
    # the same bits there, because only the int8 weights are saved and packed again while loading. Packing
    # is what needs the right kernels: they must be chosen before torch.jit.load, and stay while it runs.
    with known_warnings(), quantised_kernels(KERNELS[0]), torch.no_grad():
        quantised = torch.ao.quantization.quantize_dynamic(
            WithFeatures(model).eval(), LAST_LAYERS, torch.qint8
        )
        traced = torch.jit.trace(quantised, example)
        buffer = io.BytesIO()  # and not the path: a full disk is then an OSError, as everywhere
        torch.jit.save(traced, buffer)
    path.write_bytes(buffer.getvalue())
    differences = {kernels: _difference(model, path, inputs, kernels) for kernels in KERNELS}
    allowed = rounding_bound(model, inputs)
    for kernels, difference in differences.items():
        if not difference <= allowed:
            raise DataError(
                f"{path.name} answers {difference:.2g} away from the checkpoint with {kernels} kernels; "
                f"quantising the last layers explains at most {allowed:.2g}: this torch converts it wrongly"
            )
    return differences


def rounding_bound(model: AslNet, inputs: Sequence[Array]) -> float:
    """How far 8-bit weights and 7-bit inputs of a last layer can move an answer: six standard deviations.

    Each rounding is off by up to half a step, evenly spread (variance step^2 / 12); an answer sums one such
    error for each of its weights and for each of its inputs. x86 rounds inputs to 7 bits, so that
    its 16-bit sums can't overflow; qnnpack keeps 8 and is nearer.
    """
    with torch.inference_mode():
        shown = [(torch.from_numpy(tensor), torch.from_numpy(up)) for tensor in inputs for up in BOTH]
        features = torch.cat([model.features(image, upright)[0] for image, upright in shown])
        weights = torch.cat([layer.weight.detach() for layer in model.last_layers()])
    weight_step = 2 * float(weights.abs().max()) / 255
    input_step = float(features.max() - features.min()) / 127
    variance = float(features.square().sum(1).max()) * weight_step**2 / 12
    variance += float(weights.square().sum(1).max()) * input_step**2 / 12
    return 6 * math.sqrt(variance)


@contextlib.contextmanager
def quantised_kernels(name: str) -> Iterator[None]:
    """Choose torch's quantised kernels for a while; the choice is one for the whole process."""
    before = torch.backends.quantized.engine
    try:
        torch.backends.quantized.engine = name
    except RuntimeError:
        have = ", ".join(torch.backends.quantized.supported_engines)
        raise DataError(
            f"this torch has no {name} kernels, only {have}: export on an x86 workstation, or leave the "
            "dynamic variant out with --variants int8,float"
        ) from None
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


def _difference(model: AslNet, path: Path, inputs: Sequence[Array], kernels: str) -> float:
    """Largest difference over all outputs and inputs between `model` and the file, loaded with `kernels`."""
    worst = 0.0
    with known_warnings(), quantised_kernels(kernels), torch.inference_mode():
        loaded = torch.jit.load(str(path), map_location="cpu")
        for tensor in inputs:
            for up in BOTH:
                answers = loaded(torch.from_numpy(tensor), torch.from_numpy(up))
                for got, wanted in zip(answers, answers_of(model, tensor, up), strict=True):
                    worst = max(worst, float((got - wanted).abs().nan_to_num(math.inf).max()))
    return worst


@contextlib.contextmanager
def known_warnings() -> Iterator[None]:
    """torch.ao.quantization and torch.jit are deprecated, and there from torch 2.10 to 2.15; it is pinned."""
    with warnings.catch_warnings():
        ignore = warnings.filterwarnings
        ignore("ignore", r"torch\.ao\.quantization is deprecated", DeprecationWarning)
        ignore("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        # what torch.ao itself still calls to make its int8 weights
        ignore("ignore", r"torch\.quantize_per_tensor, torch\.quantize_per_channel", UserWarning)
        # qnnpack rounds inputs to 8 bits where 7 were asked for: nearer to the original (`rounding_bound`)
        ignore("ignore", r"Currently, qnnpack incorrectly ignores reduce_range", UserWarning)
        yield
