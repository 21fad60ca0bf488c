"""A GPU that is asked for and can't be used is an error that says so; the processor doesn't run in its place.

The run on a GPU itself is in tests/hardware/test_gpu.py.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from edge.commands.doctor import examine
from edge.engines import open_engine
from edge.engines.gpu import count_operations, describe
from edge.errors import EngineError
from edge.package import open_package
from edge.settings import Settings

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this onnxruntime knows GPUs"
)


def run_edge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_provider_that_onnxruntime_lacks_is_an_error_that_says_what_to_install(
    tiny_folder: Path, provider: str
) -> None:
    model = ["--model", str(tiny_folder), "--variant", "float", "--provider", provider]
    for command in (["predict", "x.png"], ["check"], ["run", "--camera", "synthetic:HI"], ["bench"]):
        done = run_edge(*command, *model)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"asl-edge: onnxruntime {ort.__version__} was built for cpu, not for {provider}: install an "
            "onnxruntime for this board's GPU (docs/gpu.md says which), or take --provider cpu\n"
        )


def test_provider_in_a_settings_file_has_a_fixed_list_of_names(tiny_folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "asl-edge.toml"
    settings.write_text(f'[model]\nfolder = "{tiny_folder}"\nprovider = "gpu"\n')
    done = run_edge("check", "--config", str(settings))
    assert done.returncode == 2
    assert "must be one of cpu, cuda, tensorrt, got 'gpu'" in done.stderr


def test_doctor_tries_the_provider_of_the_settings_and_says_what_ran(tiny_folder: Path) -> None:
    lines, ok = examine(Settings(model=str(tiny_folder)))
    assert ok
    assert any("int8 on cpu: gives its golden answer" in line for line in lines)
    assert any(
        line.split() == ["onnxruntime", "ok", f"{ort.__version__},", "built", "for", "cpu"] for line in lines
    )

    lines, ok = examine(Settings(model=str(tiny_folder), provider="cuda"))
    assert not ok
    assert any("BAD  int8: onnxruntime" in line and "not for cuda" in line for line in lines)
    assert any("float on cpu: gives its golden answer" in line for line in lines)


def test_torchscript_runs_on_no_gpu(tiny_folder: Path) -> None:
    with pytest.raises(
        EngineError, match=r"dynamic runs in PyTorch on the processor, not on cuda: take --va"
    ):
        open_engine(open_package(tiny_folder), "dynamic", provider="cuda")


def test_tensorrt_takes_the_float_file_only(tiny_folder: Path) -> None:
    with pytest.raises(EngineError, match=r"can't take tiny\.int8\.onnx: take --variant float"):
        open_engine(open_package(tiny_folder), "int8", provider="tensorrt")


def test_profile_tells_where_each_operation_ran(tiny_folder: Path, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    path = open_package(tiny_folder).file("float")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {node.name: np.zeros(node.shape, np.float32) for node in session.get_inputs()}
    session.run(None, inputs)
    counts = count_operations(Path(session.end_profiling()))
    assert set(counts) == {"cpu"}
    assert counts["cpu"] > 3

    with pytest.raises(EngineError, match=r"ran no operation of .* on cuda, but all on cpu: install another"):
        describe(counts, path, "cuda")
    assert describe({"cuda": 61, "cpu": 2}, path, "cuda") == "cuda: 61 of 63 operations, cpu 2"
    # TensorRT makes one operation of all that it takes
    assert describe({"tensorrt": 1}, path, "tensorrt") == "tensorrt: 1 of 1 operations"
