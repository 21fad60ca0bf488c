"""Quantise asl_resnet18.onnx to asl_resnet18.int8.onnx: static QDQ, one scale per channel of the weights."""

import contextlib
import errno
import io
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge.records import Array
from export.conditional import make_resnet_conditional
from export.replace import NEEDED_BYTES
from export.to_onnx import feed, write_checked

# Node names decide what becomes int8: all of the ResNet, and the landmark network except its first
# convolutions, up to HAND_LAST_FLOAT. The last layers stay float. See docs/experiments.md, "Quantisation".
TRUNK = ("/conv1/", "/relu/", "/maxpool/", "/layer")
HAND, HAND_LAST_FLOAT = "/hand/", "/hand/convs.7/"
QUANTISED = ("Conv", "Relu", "MaxPool", "Add", "Clip")
MIN_CAST_VALUES = 100  # a smaller tensor is not worth a cast


@dataclass(frozen=True)
class Recipe:
    """One way to quantise; weights are always int8 and symmetric."""

    activations: QuantType
    reduce_range: bool  # weights of 7 bits, with which x86 without VNNI never saturates its 16-bit sums
    calibration: CalibrationMethod
    first_float: bool = False  # the ResNet's first convolution stays float

    @property
    def name(self) -> str:
        types = "U8S8" if self.activations == QuantType.QUInt8 else "S8S8"
        first = ", first layer float" if self.first_float else ""
        return f"{types}{' reduce_range' if self.reduce_range else ''}, {self.calibration.name}{first}"


def fold(float_path: Path, folded: Path) -> None:
    """Write the input of `quantise`: constants and batch norm folded, every shape known."""
    with _contain_tools(folded.parent):
        # All shapes are static, so symbolic shape inference, which needs sympy, adds nothing.
        quant_pre_process(str(float_path), str(folded), skip_symbolic_shape=True)


def quantise(folded: Path, output: Path, recipe: Recipe, tensors: Sequence[Array]) -> None:
    """Write `output`, calibrated on `tensors`, each (1, 3, S, S), and no other file."""
    with _contain_tools(output.parent), contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            str(folded),
            str(output),
            _Calibration(tensors),
            QuantFormat.QDQ,
            per_channel=True,
            reduce_range=recipe.reduce_range,
            activation_type=recipe.activations,
            weight_type=QuantType.QInt8,
            calibrate_method=recipe.calibration,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=_list_quantised_nodes(folded)[recipe.first_float :],
            # otherwise histograms keep every activation in memory
            extra_options={"CalibStridedMinMax": _Calibration.STRIDE},
        )
    model = _halve_weights(onnx.load(str(output)))
    write_checked(model, output)  # checks all operators, while they are in one list
    write_checked(make_resnet_conditional(model), output)


def _halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights in float16 if that loses nothing; they are widened when the file is loaded.

    These are the landmark network's, which come as float16. It saves 5 MB.
    """
    graph, widened = model.graph, []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != onnx.TensorProto.FLOAT or values.size < MIN_CAST_VALUES:
            continue
        half = values.astype(np.float16)
        if (half.astype(np.float32) == values).all():
            graph.initializer.remove(tensor)
            graph.initializer.append(numpy_helper.from_array(half, f"{tensor.name}_half"))
            widened.append(
                onnx.helper.make_node(
                    "Cast", [f"{tensor.name}_half"], [tensor.name], to=onnx.TensorProto.FLOAT
                )
            )
    for node in reversed(widened):
        graph.node.insert(0, node)
    return model


def _list_quantised_nodes(path: Path) -> list[str]:
    """Return the names of the nodes that become int8, the ResNet's first convolution first."""
    names = [n.name for n in onnx.load(str(path)).graph.node if n.op_type in QUANTISED]
    hand = [name for name in names if name.startswith(HAND)]
    first = next(i for i, name in enumerate(hand) if name.startswith(HAND_LAST_FLOAT)) + 1
    return [name for name in names if name.startswith(TRUNK)] + hand[first:]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no annotations
    """Feed the tensors to onnxruntime, STRIDE at a time."""

    STRIDE = 2

    def __init__(self, tensors: Sequence[Array]) -> None:
        self._tensors, self._next, self._end = tensors, 0, len(tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, Array] | None:
        if self._next >= self._end:
            return None
        self._next += 1
        return feed(self._tensors[self._next - 1])


@contextlib.contextmanager
def _contain_tools(folder: Path) -> Iterator[None]:
    """Contain the side effects of onnxruntime's tools.

    Their temporary copies of the model go to `folder`, where a failed export is cleaned up. Their log is
    silenced, because they also raise what they log.
    """
    before, logger = tempfile.tempdir, logging.getLogger()
    level = logger.level
    tempfile.tempdir = str(folder)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # Their writers don't notice a full disk; reading the truncated file fails later in many ways.
        if shutil.disk_usage(folder).free < NEEDED_BYTES / 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
    finally:
        tempfile.tempdir = before
        logger.setLevel(level)
