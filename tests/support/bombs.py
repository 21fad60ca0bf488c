"""ONNX models of some kilobytes that take any memory, or never answer."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

BOMBS = ("constant", "input", "endless")
N_FLOATS = 500_000_000  # 2 GB
FOREVER = 2**62  # turns of a loop


def put_bomb(path: Path, kind: str) -> None:
    """Put one of BOMBS before the network, and add 0 times its result, so that every output stays."""
    model = onnx.load(path)
    graph = model.graph
    graph.initializer.append(helper.make_tensor("bomb_zero", TensorProto.FLOAT, [], [0.0]))
    nodes = {"constant": _constant, "input": _input, "endless": _endless}[kind](graph)
    nodes.append(helper.make_node("ReduceMax", ["bomb_large"], ["bomb_max"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["bomb_max", "bomb_zero"], ["bomb_nothing"]))
    nodes.append(helper.make_node("Add", ["image", "bomb_nothing"], ["bomb_image"]))
    for node in graph.node:
        node.input[:] = ["bomb_image" if name == "image" else name for name in node.input]
    for number, node in enumerate(nodes):
        graph.node.insert(number, node)
    onnx.save(model, path)


def _constant(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    graph.initializer.append(helper.make_tensor("bomb_shape", TensorProto.INT64, [1], [N_FLOATS]))
    return [helper.make_node("ConstantOfShape", ["bomb_shape"], ["bomb_large"])]


def _input(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """A size that depends on the input, so that nothing is known before the first inference."""
    graph.initializer.append(helper.make_tensor("bomb_n", TensorProto.INT64, [1], [N_FLOATS]))
    return [
        helper.make_node("Shape", ["upright"], ["bomb_one"]),
        helper.make_node("Mul", ["bomb_one", "bomb_n"], ["bomb_shape"]),
        helper.make_node("Expand", ["upright", "bomb_shape"], ["bomb_large"]),
    ]


def _endless(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    graph.initializer.append(helper.make_tensor("bomb_true", TensorProto.BOOL, [], [True]))
    graph.initializer.append(helper.make_tensor("bomb_turns", TensorProto.INT64, [], [FOREVER]))
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])],
        "turn",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT, [1]),
        ],
        [value("go_on", 9, []), value("y", 1, [1])],
    )
    return [helper.make_node("Loop", ["bomb_turns", "bomb_true", "upright"], ["bomb_large"], body=body)]
