"""Compute the ResNet's part of the int8 network only for hands as they are held.

The ResNet contributes nothing for a hand that was turned upright (`train.model.network`), yet in one plain
list of nodes it would be computed all the same, for a third of an inference.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.package import UPRIGHT, UPRIGHT_SHAPE

MOMENTS = "/avgpool/Flatten_1_output_0"  # the output of the ResNet's part
IS_HELD = "is_held"


def make_resnet_conditional(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move all that only MOMENTS is computed from into a branch that is taken if UPRIGHT is 0.

    The other branch returns the zeros that MOMENTS is multiplied to. All shapes of the model must be known,
    as `fold` leaves it.
    """
    graph = model.graph
    inside = _find_exclusive(graph, MOMENTS)
    resnet = [node for node in graph.node if node.output[0] in inside]
    others = [node for node in graph.node if node.output[0] not in inside]
    used_by_others = {name for node in others for name in node.input}
    used_by_resnet = {name for node in resnet for name in node.input}
    weights = [t for t in graph.initializer if t.name in used_by_resnet - used_by_others]
    computed, zero = f"{MOMENTS}_some", f"{MOMENTS}_none"
    shape = _find_shape(model, MOMENTS)
    resnet[-1].output[0] = computed
    zeros = numpy_helper.from_array(np.zeros(shape, np.float32))
    branch = helper.make_node(
        "If",
        [IS_HELD],
        [MOMENTS],
        name="resnet",
        then_branch=helper.make_graph(resnet, "resnet", [], [_describe_float(computed, shape)], weights),
        else_branch=helper.make_graph(
            [helper.make_node("Constant", [], [zero], value=zeros)],
            "silence",
            [],
            [_describe_float(zero, shape)],
        ),
    )
    half = numpy_helper.from_array(np.full(UPRIGHT_SHAPE, 0.5, np.float32), "half")
    is_held = helper.make_node("Less", [UPRIGHT, half.name], [IS_HELD])
    first_use = next(i for i, node in enumerate(others) if MOMENTS in node.input)
    del graph.node[:], graph.value_info[:]
    graph.node.extend([is_held, *others[:first_use], branch, *others[first_use:]])
    kept = [tensor for tensor in graph.initializer if tensor not in weights]
    del graph.initializer[:]
    graph.initializer.extend([*kept, half])
    return model


def inline_conditional(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `make_resnet_conditional`: compute the ResNet always, with every node in one list."""
    graph = model.graph
    nodes = []
    for node in graph.node:
        if node.op_type != "If":
            nodes.append(node)
            continue
        branch = helper.get_node_attr_value(node, "then_branch")
        graph.initializer.extend(branch.initializer)
        nodes += branch.node
        nodes[-1].output[0] = node.output[0]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _find_exclusive(graph: onnx.GraphProto, result: str) -> set[str]:
    """Return the names of all that is computed for `result` only, including itself."""
    made_by = {name: node for node in graph.node for name in node.output}
    users: dict[str, set[str]] = {output.name: {""} for output in graph.output}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, set()).add(node.output[0])
    inside = {result}
    for node in reversed(graph.node):  # users come after what they use
        if node.output[0] in users and users[node.output[0]] <= inside:
            inside.add(node.output[0])
    reached, todo = set(), [result]
    while todo:
        name = todo.pop()
        if name in inside and name not in reached:
            reached.add(name)
            todo.extend(made_by[name].input)
    return reached


def _find_shape(model: onnx.ModelProto, name: str) -> list[int]:
    known = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    return [dim.dim_value for dim in known[name].type.tensor_type.shape.dim]


def _describe_float(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
