"""`python -m train.model.from_tflite IN.tflite OUT.onnx [TENSOR=NAME ...]`: convert a network to ONNX.

It converts the two float16 networks of MediaPipe that this project ships and refuses any other operator.
TensorFlow Lite stores (N, H, W, C), ONNX (N, C, H, W); maps are transposed at the ends only. Weights stay
float16 in the file and are widened when it is loaded. Each TENSOR, a number in the .tflite file, becomes one
more output. The PyPI package tflite (the schema of the file format) is the only part of TensorFlow needed.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 13, 8
FLOAT32, FLOAT16, INT32 = 0, 1, 2  # tflite.TensorType
DTYPES = {FLOAT32: np.float32, FLOAT16: np.float16, INT32: np.int32}
NO_ACTIVATION, RELU, RELU6 = 0, 1, 3  # tflite.ActivationFunctionType
SAME = 0  # tflite.Padding
NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class Converter:
    """Convert one .tflite graph to one ONNX graph."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._halves: dict[int, np.ndarray] = {}  # tensors that a DEQUANTIZE widens

    def convert(self, extra: dict[int, str]) -> onnx.ModelProto:
        """Return the ONNX model; `extra` maps tensor numbers to names of further outputs."""
        graph = self._graph
        for i in range(graph.OperatorsLength()):
            self._operator(graph.Operators(i))
        outputs = {graph.Outputs(i): f"output_{i}" for i in range(graph.OutputsLength())} | extra
        for tensor, name in outputs.items():
            self._add("Identity", [_name(tensor)], name)
        _, height, width, channels = self._shape(graph.Inputs(0))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, height, width])
        self._nodes.insert(0, helper.make_node("Identity", ["image"], [_name(graph.Inputs(0))]))
        made = helper.make_graph(
            self._nodes,
            "mediapipe",
            [image],
            [self._output(*one) for one in outputs.items()],
            self._constants,
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _operator(self, op: Any) -> None:
        code = self._model.OperatorCodes(op.OpcodeIndex())
        kind = NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, output = op.InputsAsNumpy().tolist(), op.Outputs(0)
        shape = self._shape(inputs[0])
        if kind == "DEQUANTIZE":
            self._halves[output] = self._data(inputs[0])
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(op, kind, inputs, output, shape)
        elif kind == "PRELU":
            self._prelu(_name(inputs[0]), self._data(inputs[1]).reshape(-1, 1, 1), output)
        elif kind == "ADD":
            options = _options(op, tflite.AddOptions)
            self._add("Add", [_name(one) for one in inputs], f"sum{output}")
            self._activate(options.FusedActivationFunction(), f"sum{output}", output)
        elif kind == "MAX_POOL_2D":
            options = _options(op, tflite.Pool2DOptions)
            kernel = (options.FilterHeight(), options.FilterWidth())
            strides = (options.StrideH(), options.StrideW())
            pads = _pads(options.Padding(), shape, kernel, strides)
            self._add(
                "MaxPool", [_name(inputs[0])], _name(output), kernel_shape=kernel, strides=strides, pads=pads
            )
        elif kind == "PAD":
            ends = self._data(inputs[1])[[0, 3, 1, 2]].T.reshape(-1).astype(np.int64)
            self._add("Pad", [_name(inputs[0]), self._constant(ends)], _name(output))
        elif kind == "RESIZE_BILINEAR":
            self._resize(op, inputs, output, shape)
        elif kind == "MEAN":  # always over height and width in these networks
            self._add("GlobalAveragePool", [_name(inputs[0])], f"mean{output}")
            self._add("Flatten", [f"mean{output}"], _name(output))
        elif kind == "FULLY_CONNECTED":
            weights, bias = (self._constant(self._data(one)) for one in inputs[1:3])
            self._add("Gemm", [_name(inputs[0]), weights, bias], _name(output), transB=1)
        elif kind == "LOGISTIC":
            self._add("Sigmoid", [_name(inputs[0])], _name(output))
        elif kind == "RESHAPE":
            self._add("Transpose", [_name(inputs[0])], f"turned{output}", perm=[0, 2, 3, 1])
            target = np.array(self._shape(output), np.int64)
            self._add("Reshape", [f"turned{output}", self._constant(target)], _name(output))
        elif kind == "CONCATENATION":  # of (1, anchors, values), behind a RESHAPE: already transposed
            axis = _options(op, tflite.ConcatenationOptions).Axis()
            self._add("Concat", [_name(one) for one in inputs], _name(output), axis=axis)
        else:
            raise SystemExit(f"{kind} can't be converted: this is not one of MediaPipe's two networks")

    def _prelu(self, source: str, slopes: np.ndarray, output: int) -> None:
        """Add a PRelu as four steps, which onnxruntime runs faster.

        See docs/experiments.md, "PRelu in the palm detector".
        """
        above, below, bent = (f"{part}{output}" for part in ("above", "below", "bent"))
        self._add("Relu", [source], above)
        self._add("Sub", [source, above], below)
        self._add("Mul", [below, self._constant(slopes)], bent)
        self._add("Add", [above, bent], _name(output))

    def _convolution(self, op: Any, kind: str, inputs: list[int], output: int, shape: list[int]) -> None:
        depthwise = kind == "DEPTHWISE_CONV_2D"
        options = _options(op, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
        weights = self._data(inputs[1]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        kernel, strides = weights.shape[2:], (options.StrideH(), options.StrideW())
        names = [_name(inputs[0]), self._constant(weights), self._constant(self._data(inputs[2]))]
        self._add(
            "Conv", names, f"sum{output}", kernel_shape=kernel, strides=strides,
            pads=_pads(options.Padding(), shape, kernel, strides), group=shape[3] if depthwise else 1,
        )  # fmt: skip
        self._activate(options.FusedActivationFunction(), f"sum{output}", output)

    def _resize(self, op: Any, inputs: list[int], output: int, shape: list[int]) -> None:
        if not _options(op, tflite.ResizeBilinearOptions).HalfPixelCenters():
            raise SystemExit("a resize without half-pixel centres can't be converted")
        height, width = self._data(inputs[1]).tolist()
        scales = self._constant(np.array([1, 1, height / shape[1], width / shape[2]], np.float32))
        self._add("Resize", [_name(inputs[0]), "", scales], _name(output), mode="linear")

    def _activate(self, kind: int, source: str, output: int) -> None:
        if kind == NO_ACTIVATION:
            self._add("Identity", [source], _name(output))
        elif kind == RELU:
            self._add("Relu", [source], _name(output))
        elif kind == RELU6:
            low, high = (self._constant(np.float32(value)) for value in (0, 6))
            self._add("Clip", [source, low, high], _name(output))
        else:
            raise SystemExit(f"activation {kind} can't be converted")

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _constant(self, value: np.ndarray | np.generic) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        )
        if value.dtype != np.float16:
            return name
        self._add("Cast", [name], f"{name}_wide", to=TensorProto.FLOAT)
        return f"{name}_wide"

    def _shape(self, tensor: int) -> list[int]:
        return list(map(int, self._graph.Tensors(tensor).ShapeAsNumpy()))

    def _data(self, tensor: int) -> np.ndarray:
        if tensor in self._halves:
            return self._halves[tensor]
        described = self._graph.Tensors(tensor)
        raw = self._model.Buffers(described.Buffer()).DataAsNumpy().tobytes()
        return np.frombuffer(raw, DTYPES[described.Type()]).reshape(self._shape(tensor))

    def _output(self, tensor: int, name: str) -> onnx.ValueInfoProto:
        shape = self._shape(tensor)
        shape = [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else shape
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _name(tensor: int) -> str:
    return f"tensor{tensor}"


def _options(op: Any, kind: Any) -> Any:
    options, table = kind(), op.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _pads(padding: int, shape: list[int], kernel: tuple[int, ...], strides: tuple[int, int]) -> list[int]:
    """Return top, left, bottom, right; TensorFlow's "same" puts an odd pixel at the end."""
    starts, ends = [], []
    for size, length, stride in zip(shape[1:3], kernel, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + length - size, 0) if padding == SAME else 0
        starts.append(total // 2)
        ends.append(total - total // 2)
    return [*starts, *ends]


def main() -> int:
    """Convert the file named on the command line."""
    source, target, *extra = sys.argv[1:]
    numbers = (one.partition("=") for one in extra)
    model = Converter(Path(source)).convert({int(number): name for number, _, name in numbers})
    Path(target).write_bytes(model.SerializeToString())
    return 0


if __name__ == "__main__":
    sys.exit(main())
