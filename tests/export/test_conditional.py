"""The branch computes the ResNet for hands as they are held, and skips it for hands rotated upright."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from support.tiny_export import SIZE_PX

from export.conditional import inline_conditional, make_resnet_conditional
from export.quantize import fold
from export.to_onnx import HELD, TURNED, export_onnx, feed, write_checked
from train.model.network import AslNet


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Export the network twice, without and with the branch."""
    folder = tmp_path_factory.mktemp("branch")
    exported, plain, branched = (folder / f"{name}.onnx" for name in ("exported", "plain", "branched"))
    torch.manual_seed(0)
    export_onnx(AslNet(), SIZE_PX, exported, [])
    fold(exported, plain)
    write_checked(make_resnet_conditional(onnx.load(str(plain))), branched)
    return plain, branched


@pytest.mark.parametrize("upright", [HELD, TURNED])
def test_branch_changes_no_output(files: tuple[Path, Path], upright: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    expected, actual = (
        ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, feed(noise, upright))
        for file in files
    )
    for expected_output, output in zip(expected, actual, strict=True):
        np.testing.assert_allclose(output, expected_output, atol=1e-5)


def test_branch_holds_exactly_the_resnet(files: tuple[Path, Path]) -> None:
    plain, branched = (onnx.load(str(file)).graph for file in files)
    (branch,) = (node for node in branched.node if node.op_type == "If")
    inside, outside = onnx.helper.get_node_attr_value(branch, "then_branch").node, branched.node
    convs = {node.name for node in plain.node if node.op_type == "Conv"}
    hand = {name for name in convs if name.startswith("/hand/")}
    assert {node.name for node in inside if node.op_type == "Conv"} == convs - hand
    assert {node.name for node in outside if node.op_type == "Conv"} == hand
    assert len(inside) + len(outside) == len(plain.node) + 2  # the branch and its condition


def test_weights_are_stored_once(files: tuple[Path, Path]) -> None:
    plain, branched = (file.stat().st_size for file in files)
    assert abs(branched - plain) < 0.01 * plain


def test_inlined_model_equals_the_original(files: tuple[Path, Path]) -> None:
    plain, branched = (onnx.load(str(file)) for file in files)
    inlined = inline_conditional(branched)
    onnx.checker.check_model(inlined)
    assert {node.name for node in inlined.graph.node} >= {node.name for node in plain.graph.node}
    assert len(inlined.graph.initializer) == len(plain.graph.initializer) + 1  # half
