"""`python -m export.widen` adds a float file to a package of int8, which reads as int8 does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from support.command_line import asl_edge

from edge.engines import open_engine
from edge.engines.golden import TOLERANCE, golden_tensor
from edge.models import DEFAULT_MODEL
from edge.package import open_package
from export.widen import main


@pytest.mark.slow
def test_widened_package_reads_as_the_shipped_one(tmp_path: Path) -> None:
    output = tmp_path / "package"
    assert main([str(DEFAULT_MODEL), "--output", str(output)]) == 0
    for variant in ("int8", "float"):
        done = asl_edge("check", output, "--variant", variant)
        assert (done.returncode, done.stderr) == (0, "")
    package, shipped = open_package(output), open_package(DEFAULT_MODEL)
    assert package.sha256("int8") == shipped.sha256("int8")
    assert package.metadata["golden"]["letters"]["int8"] == shipped.metadata["golden"]["letters"]["int8"]
    operators = {node.op_type for node in onnx.load(str(package.file("float"))).graph.node}
    assert not operators & {"QuantizeLinear", "DequantizeLinear", "If"}
    int8, widened = (open_engine(package, variant) for variant in ("int8", "float"))
    for upright in (False, True):
        before, after = (each(golden_tensor(package.size_px), upright) for each in (int8, widened))
        assert np.abs(before.letters - after.letters).max() < TOLERANCE
        assert np.abs(before.landmarks - after.landmarks).max() < 0.02


def test_package_that_holds_float_is_refused(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_folder), "--output", str(tmp_path / "package")]) == 2
    assert "widen takes int8 and adds float" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
