"""asl_resnet18.onnx -> asl_resnet18.int8.onnx: static QDQ, with a scale for each channel of the weights."""

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
from export.conditional import only_as_held
from export.replace import NEEDED_BYTES
from export.to_onnx import feed, write_checked

# What becomes int8 is told by the nodes' names: the ResNet's maps, and those of the landmark network but for
# the first, where all the harm is done (112 px, few channels): with all of it in int8 points are off by 4 of
# 224 px, without its first 4, 5 and 8 convolutions by 2.3, 0.9 and 0.8. A reading then takes two thirds of
# what it does with the landmark network in float32. The last layers stay float.
TRUNK = ("/conv1/", "/relu/", "/maxpool/", "/layer")
HAND, HAND_LAST_FLOAT = "/hand/", "/hand/convs.7/"
QUANTISED = ("Conv", "Relu", "MaxPool", "Add", "Clip")
SMALL = 100  # numbers: what is not worth a cast


@dataclass(frozen=True)
class Recipe:
    """One way to quantise. Weights are int8 and symmetric in all of them."""

    activations: QuantType
    reduce_range: bool  # weights of 7 bits: x86 without VNNI then never saturates its 16-bit sums
    calibration: CalibrationMethod
    first_float: bool = False  # the ResNet's first convolution

    @property
    def name(self) -> str:
        types = "U8S8" if self.activations == QuantType.QUInt8 else "S8S8"
        first = ", first layer float" if self.first_float else ""
        return f"{types}{' reduce_range' if self.reduce_range else ''}, {self.calibration.name}{first}"


def fold(float_path: Path, folded: Path) -> None:
    """Write what `quantise` starts from: constants and batch norm folded, every shape known."""
    with _onnxruntimes_tools(folded.parent):
        # The shapes are static, so that symbolic shape inference (which wants sympy) has nothing to add.
        quant_pre_process(str(float_path), str(folded), skip_symbolic_shape=True)


def quantise(folded: Path, output: Path, recipe: Recipe, tensors: Sequence[Array]) -> None:
    """Write `output`, calibrated on `tensors`, each (1, 3, S, S). Leaves nothing else behind."""
    with _onnxruntimes_tools(output.parent), contextlib.redirect_stdout(io.StringIO()):
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
            nodes_to_quantize=_nodes(folded)[recipe.first_float :],
            # histograms otherwise keep every activation
            extra_options={"CalibStridedMinMax": _Calibration.STRIDE},
        )
    model = _halved(onnx.load(str(output)))
    write_checked(model, output)  # all operators, while they are in one list
    write_checked(only_as_held(model), output)


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that float16 holds without loss (the landmark network's, which come so) are stored as such and
    widened when the file is loaded: 5 MB less to carry."""
    graph, widened = model.graph, []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != onnx.TensorProto.FLOAT or values.size < SMALL:
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


def _nodes(path: Path) -> list[str]:
    """What becomes int8, the ResNet's first convolution first."""
    names = [n.name for n in onnx.load(str(path)).graph.node if n.op_type in QUANTISED]
    hand = [name for name in names if name.startswith(HAND)]
    first = next(i for i, name in enumerate(hand) if name.startswith(HAND_LAST_FLOAT)) + 1
    return [name for name in names if name.startswith(TRUNK)] + hand[first:]


class _Calibration(CalibrationDataReader):
    """Hands the tensors to onnxruntime, STRIDE at a time."""

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
def _onnxruntimes_tools(folder: Path) -> Iterator[None]:
    """Keeps what they would leave elsewhere: copies of the model in the system's folder for temporary files
    go to `folder`, where a failed export is cleaned up; what they log, they also raise."""
    before, logger = tempfile.tempdir, logging.getLogger()
    level = logger.level
    tempfile.tempdir = str(folder)
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # Their writers don't notice a full disk; a reader of the stump that they leave does, in many ways.
        if shutil.disk_usage(folder).free < NEEDED_BYTES / 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise
    finally:
        tempfile.tempdir = before
        logger.setLevel(level)
