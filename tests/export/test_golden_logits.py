"""Every variant gives the same letters with any number of threads on any processor.

They run on a workstation, and on emulated ARM (`make test-arm`) with the same files and expected values.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.golden_inputs import golden_inputs
from support.golden_logits import (
    SHIPPED,
    compute_expected,
    compute_logits,
    find_differences,
    is_hand,
    open_variant,
)

from edge.models import DEFAULT_MODEL
from edge.package import Package, open_package

THREADS = (1, 2, 4)
VARIANTS = ("int8", "float", "dynamic")
BUILT = os.environ.get("ASL_EDGE_GOLDEN")  # a package with all variants and golden_logits.json
# use every sixth input under emulation, which is slow; tests/arm/answer.py runs all inputs with one thread
STRIDE = 6 if BUILT else 1


@pytest.fixture(scope="session")
def built_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a network of random features in every variant."""
    if BUILT:
        return Path(BUILT)
    pytest.importorskip("torch")
    from support.golden_package import build

    return build(tmp_path_factory.mktemp("golden"))


def check_logits(
    package: Package, expectations: Path, variant: str, threads: int, kernels: str | None = None
) -> None:
    """Compare letters and logits with those in the file."""
    if variant not in package.files:
        pytest.skip(f"{package.folder} has no {variant} variant")
    expected = json.loads(expectations.read_text())[variant]
    if expected["sha256"] != package.sha256(variant):
        pytest.fail(f"{expectations} belongs to another model; run make golden")
    engine = open_variant(package, variant, threads, kernels)
    assert not find_differences(compute_logits(package, engine, STRIDE), expected["logits"], variant)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_shipped_model_gives_its_golden_logits(variant: str, threads: int) -> None:
    check_logits(open_package(DEFAULT_MODEL), SHIPPED, variant, threads)


@pytest.mark.slow  # builds the package
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_built_model_gives_its_golden_logits(built_package: Path, variant: str, threads: int) -> None:
    check_logits(open_package(built_package), built_package / "golden_logits.json", variant, threads)


@pytest.mark.slow  # builds the package
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("kernels", ["x86", "qnnpack"])  # ARM uses qnnpack
def test_torchscript_gives_the_same_letters_with_both_kinds_of_kernels(
    built_package: Path, kernels: str, threads: int
) -> None:
    torch = pytest.importorskip("torch")
    if kernels not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch was built without {kernels}")
    check_logits(
        open_package(built_package), built_package / "golden_logits.json", "dynamic", threads, kernels
    )


@pytest.mark.slow  # builds the package
def test_variants_read_the_same_letters(built_package: Path) -> None:
    """Compare all variants on hands that the network distinguishes."""
    pytest.importorskip("torch")
    logits = {
        variant: entry["logits"] for variant, entry in compute_expected(open_package(built_package)).items()
    }
    for name in filter(is_hand, logits["float"]):
        letters = {variant: int(np.argmax(values[name])) for variant, values in logits.items()}
        assert len(set(letters.values())) == 1, (name, letters)


def test_golden_inputs_are_identical_on_every_machine() -> None:
    """The expected checksum is also that of an ARM board."""
    import hashlib

    inputs = golden_inputs(96)
    digest = hashlib.sha256(
        b"".join(np.rint(tensor * 1e4).astype("<i4").tobytes() for tensor in inputs.values())
    )
    assert digest.hexdigest() == "cbcd9b301262958f9568e387066318d81239a7f6ab41f48e831f185fee480781"
