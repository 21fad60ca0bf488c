"""Both engines on a real package, what they refuse, and the scripted engine."""

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_package

from edge.engines import open_engine
from edge.engines.external_data import has_external_data
from edge.engines.golden import check_golden, golden_tensor
from edge.engines.onnx import OnnxEngine
from edge.engines.scripted import ScriptedEngine, make_output
from edge.engines.torchscript import TorchScriptEngine
from edge.errors import EngineError, PackageError
from edge.hand.reader import HandReader
from edge.hand.tracker import HandTracker
from edge.package import METADATA_NAME, OUTPUT_SHAPES, UPRIGHT, Package, open_package
from edge.records import Array, Frame

ZEROS = {variant: [0.0] * 26 for variant in tiny_package.FILES}


@pytest.fixture
def package(tiny_folder: Path) -> Package:
    return open_package(tiny_folder)


@pytest.fixture
def spoiled(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy whose model files the test replaces."""
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def repackage(folder: Path) -> Package:
    tiny_package.write_metadata(folder, ZEROS)
    return open_package(folder)


@pytest.mark.parametrize("variant", ["int8", "float"])
def test_onnx_engine_answers_the_golden_input_as_at_export(package: Package, variant: str) -> None:
    assert check_golden(OnnxEngine(package, variant, threads=2), package, variant) < 1e-3


@pytest.mark.parametrize("kernels", ["x86", "qnnpack"])  # boards run qnnpack
def test_torchscript_engine_answers_the_golden_input_as_at_export(package: Package, kernels: str) -> None:
    import torch

    if kernels not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch was built without {kernels}")
    assert check_golden(TorchScriptEngine(package, kernels=kernels), package, "dynamic") < 0.05


@pytest.mark.parametrize("variant", ["int8", "dynamic"])
def test_batch_gives_the_outputs_of_its_crops_one_by_one(package: Package, variant: str) -> None:
    engine = open_engine(package, variant)
    tensor: Array = np.concatenate([golden_tensor(64), golden_tensor(64)[..., ::-1]])
    both, second = engine(tensor), engine(tensor[1:])
    assert (both.letters.shape, both.presence.shape, both.landmarks.shape) == ((2, 26), (2,), (2, 21, 2))
    assert np.array_equal(both.letters[1:], second.letters)
    assert np.array_equal(both.landmarks[1:], second.landmarks)
    assert both.features is not None
    assert second.features is not None
    assert np.array_equal(both.features[1:], second.features)


@pytest.mark.parametrize("variant", ["int8", "dynamic"])
def test_engine_passes_on_whether_the_hand_stands_upright(package: Package, variant: str) -> None:
    engine = open_engine(package, variant)
    held, upright = (engine(golden_tensor(64), upright=turned) for turned in (False, True))
    fainter = held.letters * (1 - tiny_package.TURNED_LESS)
    np.testing.assert_allclose(upright.letters, fainter, atol=1e-3)


def test_package_of_an_older_export_has_no_features_and_reads_nothing_upright(
    spoiled: Path,
) -> None:
    net = tiny_package.Oldest(tiny_package.TinyNet())
    tiny_package.export_onnx(net, spoiled / "tiny.int8.onnx", tuple(OUTPUT_SHAPES))
    outputs = {name: {"shape": shape} for name, shape in OUTPUT_SHAPES.items()}
    tiny_package.write_metadata(spoiled, ZEROS, outputs=outputs)
    metadata = json.loads((spoiled / METADATA_NAME).read_text())
    del metadata[UPRIGHT]
    (spoiled / METADATA_NAME).write_text(json.dumps(metadata))
    package = open_package(spoiled)
    assert OnnxEngine(package)(golden_tensor(64)).features is None
    assert not package.reads_upright


def test_spinning_and_threads_change_no_output(package: Package) -> None:
    quiet, busy = OnnxEngine(package, "int8", 1, False), OnnxEngine(package, "int8", 2, True)
    assert np.allclose(quiet(golden_tensor(64)).letters, busy(golden_tensor(64)).letters, atol=1e-5)


def test_changed_answer_to_the_golden_input_is_refused(spoiled: Path) -> None:
    tiny_package.write_metadata(spoiled, {variant: [9.0] * 26 for variant in tiny_package.FILES})
    package = open_package(spoiled)
    with pytest.raises(PackageError, match="answers the golden input"):
        check_golden(OnnxEngine(package), package, "int8")


@pytest.mark.parametrize(
    ("variant", "engine"), [("int8", OnnxEngine), ("float", OnnxEngine), ("dynamic", TorchScriptEngine)]
)
def test_variant_decides_the_engine(package: Package, variant: str, engine: type) -> None:
    assert type(open_engine(package, variant)) is engine


@pytest.mark.parametrize("data", [b"no model at all", b"\x0a\x00", b"\x3a\xff\xff\xff\x7f"])
def test_file_that_is_no_onnx_model_is_refused_in_one_sentence(spoiled: Path, data: bytes) -> None:
    (spoiled / "tiny.int8.onnx").write_bytes(data)
    with pytest.raises(EngineError, match=r"^[^\n]*(can't load|is no ONNX model)[^\n]*: export again[^\n]*$"):
        OnnxEngine(repackage(spoiled))


def test_torch_that_fails_to_load_is_one_sentence(
    package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(EngineError, match=r"PyTorch can't be loaded \(libcudart\.so\.12: cannot open"):
        TorchScriptEngine(package)


@pytest.mark.parametrize("data", [b"PK", b"no model at all"])
def test_file_that_is_no_torchscript_is_refused_in_one_sentence(spoiled: Path, data: bytes) -> None:
    (spoiled / "tiny.dynamic.pt").write_bytes(data)
    with pytest.raises(EngineError, match=r"^torch \S+ can't load .*: export again[^\n]*$"):
        TorchScriptEngine(repackage(spoiled))


def test_onnx_model_whose_shapes_differ_from_its_metadata_is_refused(spoiled: Path) -> None:
    tiny_package.export_onnx(tiny_package.TinyNet(n_letters=24), spoiled / "tiny.int8.onnx")
    with pytest.raises(
        PackageError, match=r"has outputs letters \[1, 24\].* but its metadata says letters \[1, 26\]"
    ):
        OnnxEngine(repackage(spoiled))


def test_onnx_model_of_another_input_size_is_refused(spoiled: Path) -> None:
    tiny_package.write_metadata(spoiled, ZEROS, input=tiny_package.input_of(96))
    with pytest.raises(
        PackageError, match=r"has inputs image \[1, 3, 64, 64\], upright \[1\], but its metadata says"
    ):
        OnnxEngine(open_package(spoiled))


def test_onnx_model_with_other_output_names_is_refused(spoiled: Path) -> None:
    net = tiny_package.TinyNet()
    tiny_package.export_onnx(net, spoiled / "tiny.int8.onnx", ("a", "b", "c", "d"))
    with pytest.raises(PackageError, match=r"has outputs a \[1, 26\]"):
        OnnxEngine(repackage(spoiled))


def test_torchscript_of_other_shapes_is_refused(spoiled: Path) -> None:
    tiny_package.export_torchscript(tiny_package.TinyNet(n_letters=24), spoiled / "tiny.dynamic.pt")
    with pytest.raises(PackageError, match=r"has outputs \[\[1, 24\], .* but its metadata says"):
        TorchScriptEngine(repackage(spoiled))


def test_torchscript_engine_says_what_to_install_where_torch_is_absent(tiny_folder: Path) -> None:
    without_torch = (
        "import sys; sys.modules['torch'] = None  # what an import finds where torch is not installed\n"
        "from edge.commands.cli import main\n"
        f"sys.exit(main(['predict', '--variant', 'dynamic', '--model', {str(tiny_folder)!r}, 'x.png']))"
    )
    done = subprocess.run([sys.executable, "-c", without_torch], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "asl-edge: the variant dynamic needs PyTorch, which is not installed: pip install torch, "
        "or take --variant int8\n"
    )


def test_scripted_engine_returns_its_outputs_in_order_and_then_raises(
    package: Package,
) -> None:
    spec = replace(package.spec, reads_upright=False)  # one view decides a frame
    tracker = HandTracker(ScriptedEngine([make_output("H"), make_output("I")]), spec)
    image = np.zeros((64, 64, 3), np.uint8)
    assert [tracker.follow(Frame(image, t, 0)).letter for t in (0.0, 0.1)] == ["H", "I"]
    with pytest.raises(EngineError, match="no output left"):
        tracker.follow(Frame(image, 0.2, 0))


def test_scripted_output_of_none_shows_no_hand(package: Package) -> None:
    prediction = HandReader(ScriptedEngine([make_output(None)] * 20), package.spec).read(
        np.zeros((64, 64, 3), np.uint8)
    )
    assert (prediction.letter, prediction.hand) == (None, None)


def put_weights_outside(path: Path, where: str) -> None:
    """Keep the first weights of a model in a file beside it, or at an address in memory, as ONNX allows."""
    model = onnx.load(path)
    weights = model.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(weights.raw_data)
    size = str(len(weights.raw_data))
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", where), ("offset", "0"), ("length", size)):
        weights.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("where", ["weights.bin", "/etc/passwd", "../../etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_onnx_model_with_external_data_is_refused(spoiled: Path, where: str) -> None:
    put_weights_outside(spoiled / "tiny.int8.onnx", where)
    with pytest.raises(EngineError, match=r"keeps weights outside of its file .* where no checksum covers"):
        OnnxEngine(repackage(spoiled))


def test_external_data_is_found_at_every_place_of_a_model(tmp_path: Path) -> None:
    outside = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    outside.external_data.add(key="location", value="weights.bin")
    inner = onnx.helper.make_graph([], "inner", [], [], initializer=[outside])
    node = onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    constant = onnx.helper.make_node("Constant", [], ["y"], value=outside)
    function = onnx.helper.make_function("d", "f", [], ["y"], [constant], [onnx.helper.make_opsetid("", 13)])
    empty = onnx.helper.make_graph([], "g", [], [])
    for graph, functions in (
        (inner, []),
        (onnx.helper.make_graph([node], "g", [], []), []),
        (onnx.helper.make_graph([constant], "g", [], []), []),
        (empty, [function]),
    ):
        model = onnx.helper.make_model(graph, functions=functions)
        assert has_external_data(model.SerializeToString())
    assert not has_external_data(onnx.helper.make_model(empty).SerializeToString())


@given(data=st.binary(max_size=200))
def test_walk_through_a_model_ends_for_any_bytes(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert has_external_data(data) in (True, False)


def test_answer_of_nan_is_refused(spoiled: Path) -> None:
    net = tiny_package.TinyNet()
    net.head.bias.data[0] = float("nan")
    tiny_package.export_onnx(net, spoiled / "tiny.int8.onnx")
    engine = OnnxEngine(repackage(spoiled))
    with pytest.raises(EngineError, match="answers with NaN or infinity"):
        engine(golden_tensor(64))
