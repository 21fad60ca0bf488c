"""The lower bound of an inference: the time of the network's multiplications alone on this machine."""

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from export.conditional import inline_conditional

SIDE, RUNS = 1024, 12


def count_multiply_adds(path: Path) -> int:
    """Count the multiply-adds of every convolution and matrix product, for a hand as it is held."""
    model = onnx.shape_inference.infer_shapes(inline_conditional(onnx.load(str(path))))
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    total = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            out, weight = shapes[node.output[0]], shapes[node.input[1]]
            each = np.prod(weight[1:]) if node.op_type == "Conv" else shapes[node.input[0]][-1]
            total += int(np.prod(out) * each)
    return total


def measure_peak(int8: bool, threads: int) -> float:
    """Return the multiply-adds per second of a matrix product through onnxruntime, the best of some runs."""
    kinds = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32) if int8 else (TensorProto.FLOAT,) * 3
    rng = np.random.default_rng(0)
    left = rng.integers(0, 255, (SIDE, SIDE)).astype(np.uint8 if int8 else np.float32)
    # the weights are in the model, so that they are packed once, as in a network
    weight = helper.make_tensor("w", kinds[1], (SIDE, SIDE), rng.integers(-64, 64, SIDE * SIDE).tolist())
    node = helper.make_node("MatMulInteger" if int8 else "MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node],
        "measure_peak",
        [helper.make_tensor_value_info("x", kinds[0], (SIDE, SIDE))],
        [helper.make_tensor_value_info("y", kinds[2], (SIDE, SIDE))],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    times_s = []
    for _ in range(RUNS):
        started_s = time.perf_counter()
        session.run(None, {"x": left})
        times_s.append(time.perf_counter() - started_s)
    return SIDE**3 / min(times_s)
