"""The same letters from every variant, with every number of threads, on every processor.

Runs on a workstation, and on emulated ARM (`make test-arm`) with the same files and the same expectations.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from golden_inputs import golden_inputs
from golden_logits import SHIPPED, engine_of, expected, logits_of

from edge.package import DEFAULT_MODEL, Package, open_package

# How far a logit may lie from the expected one, as a share of the largest. float: sums in another order.
# int8: its sums are whole numbers and the same everywhere, but a value between two of 255 steps may fall to
# the other side where its scale is multiplied in another order, and that moves a logit by hundredths.
# dynamic: x86 rounds what the last layer gets to 7 bits, ARM's qnnpack to 8.
TOLERANCE = {"float": 1e-4, "int8": 0.02, "dynamic": 0.04}
THREADS = (1, 2, 4)
VARIANTS = ("int8", "float", "dynamic")
MADE = os.environ.get("ASL_EDGE_GOLDEN")  # a package with all variants and its golden_logits.json


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 of random features that reads made pictures, in every variant, through the real export."""
    if MADE:
        return Path(MADE)
    pytest.importorskip("torch")
    from golden_package import build

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
    for name, answer in logits_of(package, engine).items():  # as they are, and as if turned upright
        got, logits = np.array(answer, np.float32), np.array(wanted["logits"][name], np.float32)
        allowed = TOLERANCE[variant] * max(1.0, float(np.abs(logits).max()))
        difference = float(np.abs(got - logits).max())
        assert difference <= allowed, (
            f"{name}: {difference:.4f} from what was expected, {allowed:.4f} allowed"
        )
        if name.startswith("hand-"):  # what shows no hand has no letter, and may lie between two
            assert got.argmax() == logits.argmax(), name


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_shipped_model_answers_as_on_the_machine_that_made_it(variant: str, threads: int) -> None:
    check(open_package(DEFAULT_MODEL), SHIPPED, variant, threads)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("variant", ["int8", "float"])
def test_made_model_answers_as_on_the_machine_that_made_it(made: Path, variant: str, threads: int) -> None:
    check(open_package(made), made / "golden_logits.json", variant, threads)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("kernels", ["x86", "qnnpack"])  # qnnpack is what ARM runs
def test_torchscript_answers_alike_with_the_kernels_of_both_processors(
    made: Path, kernels: str, threads: int
) -> None:
    torch = pytest.importorskip("torch")
    if kernels not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this torch was built without {kernels}")
    check(open_package(made), made / "golden_logits.json", "dynamic", threads, kernels)


def test_variants_read_the_same_letters(made: Path) -> None:
    """Against float32, on hands that the network tells apart."""
    pytest.importorskip("torch")
    logits = {variant: entry["logits"] for variant, entry in expected(open_package(made)).items()}
    for name in (name for name in logits["float"] if name.startswith("hand-")):
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
