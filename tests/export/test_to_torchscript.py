"""The TorchScript file with two quantised layers, run by the kernels of a workstation and of a board."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_export import SIZE_PX

from edge.engines.golden import golden_tensor
from edge.errors import DataError
from edge.records import Array
from export.model_card import DYNAMIC
from export.to_onnx import WithFeatures
from export.to_torchscript import LAST_LAYERS, export_torchscript, quantised_kernels, rounding_bound
from train.model.network import AslNet

Exported = tuple[Path, dict[str, float]]


@pytest.fixture(scope="module")
def model() -> AslNet:
    torch.manual_seed(0)
    return AslNet().eval()


@pytest.fixture(scope="module")
def inputs() -> list[Array]:
    noise = np.random.default_rng(0).normal(size=(3, 1, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    return [golden_tensor(SIZE_PX), *noise]


@pytest.fixture(scope="module")
def exported(model: AslNet, inputs: list[Array], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return the exported file and its largest difference from the original for each kind of kernels."""
    path = tmp_path_factory.mktemp("torchscript") / "net.pt"
    return path, export_torchscript(model, SIZE_PX, path, inputs)


def test_both_kinds_of_kernels_differ_by_rounding_only(
    model: AslNet, inputs: list[Array], exported: Exported
) -> None:
    differences = exported[1]
    assert set(differences) == {"x86", "qnnpack"}
    # a difference above 0 shows that the file is quantised
    assert all(0 < difference <= rounding_bound(model, inputs) for difference in differences.values())


def test_model_card_gives_the_quantised_fraction_of_the_weights(model: AslNet) -> None:
    exported = WithFeatures(model)
    layers = [exported.get_submodule(name) for name in LAST_LAYERS]
    quantised = sum(layer.get_parameter("weight").numel() for layer in layers)
    assert len(layers) == 2
    assert quantised == 96_768
    fraction = quantised / sum(weights.numel() for weights in exported.parameters())
    assert f"two last layers alone, about {100 * fraction:.1f} % of the weights" in DYNAMIC


def test_file_is_torchscript_without_a_pickled_module(exported: Exported) -> None:
    with zipfile.ZipFile(exported[0]) as archive:
        names = archive.namelist()
    assert any(name.endswith("constants.pkl") for name in names)
    assert any("/code/" in name for name in names)  # the graph in TorchScript


def test_choice_of_kernels_is_restored() -> None:
    before = torch.backends.quantized.engine
    with pytest.raises(DataError), quantised_kernels("qnnpack"):
        raise DataError("inside")
    assert torch.backends.quantized.engine == before


def test_unsupported_kernels_are_reported_in_one_sentence() -> None:
    with pytest.raises(DataError, match="has no none_such kernels, only"), quantised_kernels("none_such"):
        pass
