"""Write the float32 ONNX file, and refuse unusable models."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from support.tiny_export import SIZE_PX

from edge.engines.golden import golden_tensor
from edge.errors import DataError
from edge.package import OUTPUT_SHAPES
from export.to_onnx import export_onnx, read_versions, write_checked
from train.model.network import AslNet


def identity(op_type: str = "Identity", domain: str = "", opset: int = 13) -> onnx.ModelProto:
    """Build a model of one operator with the expected outputs."""
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in OUTPUT_SHAPES.items()
    }
    inputs = [
        helper.make_tensor_value_info(f"in_{name}", TensorProto.FLOAT, s) for name, s in OUTPUT_SHAPES.items()
    ]
    nodes = [helper.make_node(op_type, [f"in_{name}"], [name], domain=domain) for name in OUTPUT_SHAPES]
    graph = helper.make_graph(nodes, "g", inputs, list(info.values()))
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


def test_onnx_gives_the_outputs_of_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    noise = np.random.default_rng(0).normal(size=(1, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    inputs = [golden_tensor(SIZE_PX), noise]
    assert export_onnx(AslNet(), SIZE_PX, tmp_path / "net.onnx", inputs) < 1e-4
    assert read_versions(tmp_path / "net.onnx") == (13, 7)


def test_diverged_network_is_reported_in_one_sentence(tmp_path: Path) -> None:
    model = AslNet()
    with torch.no_grad():
        model.trunk.fc.weight[3, 5] = torch.nan
    with pytest.raises(DataError, match="has diverged"):
        export_onnx(model, SIZE_PX, tmp_path / "net.onnx", [golden_tensor(SIZE_PX)])


def test_unused_operator_sets_and_a_newer_ir_are_removed(tmp_path: Path) -> None:
    write_checked(identity(), tmp_path / "net.onnx")
    model = onnx.load(str(tmp_path / "net.onnx"))
    assert [entry.domain for entry in model.opset_import] == [""]
    assert model.ir_version == 8


def test_operator_specific_to_onnxruntime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"operators of com\.microsoft"):
        write_checked(identity("Gelu", "com.microsoft"), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_opset_too_new_for_old_boards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="opset 17"):
        write_checked(identity(opset=17), tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()
