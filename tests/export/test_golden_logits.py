"""The same letters from every variant, with every number of threads, on every processor.

Runs on a workstation, and on emulated ARM (`make test-arm`) with the same files and the same expectations.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.golden_inputs import golden_inputs
from support.golden_logits import SHIPPED, engine_of, expected, is_hand, logits_of, unlike

from edge.models import DEFAULT_MODEL
from edge.package import Package, open_package

THREADS = (1, 2, 4)
VARIANTS = ("int8", "float", "dynamic")
MADE = os.environ.get("ASL_EDGE_GOLDEN")  # a package with all variants and its golden_logits.json
# emulation is slow, and tests/arm/answer.py asks there for the rest: threads divide the work, no more
EVERY = 6 if MADE else 1


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 of random features that reads made pictures, in every variant, through the real export."""
    if MADE:
        return Path(MADE)
    pytest.importorskip("torch")
    from support.golden_package import build

    return build(tmp_path_factory.mktemp("golden"))


def check(
    package: Package, expectations: Path, variant: str, threads: int, kernels: str | None = None
) -> None:
    """Each golden input is answered as the file says, by letter and by logit."""
    if variant not in package.files:
        pytest.skip(f"{package.folder} has no {variant} variant")
    wanted = json.loads(expectations.read_text())[variant]
    if wanted["sha256"] != package.metadata["files"][variant]["sha256"]:
        pytest.fail(f"{expectations} was made for another model: make golden")
    engine = engine_of(package, variant, threads, kernels)
    assert not unlike(logits_of(package, engine, EVERY), wanted["logits"], variant)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_shipped_model_answers_as_on_the_machine_that_made_it(variant: str, threads: int) -> None:
    check(open_package(DEFAULT_MODEL), SHIPPED, variant, threads)


@pytest.mark.slow  # builds the package
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_made_model_answers_as_on_the_machine_that_made_it(made: Path, variant: str, threads: int) -> None:
    check(open_package(made), made / "golden_logits.json", variant, threads)


@pytest.mark.slow  # builds the package
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("kernels", ["x86", "qnnpack"])  # qnnpack is what ARM runs
def test_torchscript_answers_alike_with_the_kernels_of_both_processors(
    made: Path, kernels: str, threads: int
) -> None:
    torch = pytest.importorskip("torch")
    if kernels not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch was built without {kernels}")
    check(open_package(made), made / "golden_logits.json", "dynamic", threads, kernels)


@pytest.mark.slow  # builds the package
def test_variants_read_the_same_letters(made: Path) -> None:
    """Against float32, on hands that the network tells apart."""
    pytest.importorskip("torch")
    logits = {variant: entry["logits"] for variant, entry in expected(open_package(made)).items()}
    for name in filter(is_hand, logits["float"]):
        letters = {variant: int(np.argmax(answers[name])) for variant, answers in logits.items()}
        assert len(set(letters.values())) == 1, (name, letters)


def test_golden_inputs_are_the_same_bytes_on_every_machine() -> None:
    """The sum of their bits, as an ARM board computes it, too."""
    import hashlib

    inputs = golden_inputs(96)
    digest = hashlib.sha256(
        b"".join(np.rint(tensor * 1e4).astype("<i4").tobytes() for tensor in inputs.values())
    )
    assert digest.hexdigest() == "cbcd9b301262958f9568e387066318d81239a7f6ab41f48e831f185fee480781"
