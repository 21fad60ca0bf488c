"""Tests for a machine whose onnxruntime knows a GPU: pytest -m hardware -s tests/hardware/test_gpu.py

ASL_MODEL: a package with the variants int8 and float (docs/gpu.md). Nobody has run these on a GPU yet. On a
machine without one, only the first test runs: it was tried with the wheel onnxruntime-gpu 1.31.1.
"""

import ctypes
import os
import time
from pathlib import Path

import onnxruntime as ort
import pytest

from edge.engines import open_engine
from edge.engines.golden import check_golden, measure_inference_ms
from edge.errors import EngineError
from edge.models import DEFAULT_MODEL
from edge.package import open_package

pytestmark = [
    pytest.mark.hardware,
    pytest.mark.skipif(
        "CUDAExecutionProvider" not in ort.get_available_providers(), reason="this onnxruntime knows no GPU"
    ),
]
PACKAGE = open_package(Path(os.environ.get("ASL_MODEL", DEFAULT_MODEL)))
PROVIDERS = [("cuda", "int8"), ("cuda", "float"), ("tensorrt", "float")]


def has_gpu() -> bool:
    try:
        return bool(ctypes.CDLL("libcuda.so.1").cuInit(0) == 0)
    except OSError:
        return False


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_gpu_that_is_absent_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"can't start cuda here \(.+\): docs/gpu\.md says what cuda needs"):
        open_engine(PACKAGE, "int8", provider="cuda")
    assert not list(tmp_path.glob("*/*"))


@pytest.mark.skipif(not has_gpu(), reason="there is no GPU")
@pytest.mark.parametrize(("provider", "variant"), PROVIDERS)
def test_gpu_gives_the_golden_answer(provider: str, variant: str, cache: Path) -> None:
    if variant not in PACKAGE.files:
        pytest.skip(f"{PACKAGE.folder} has no variant {variant}: set ASL_MODEL")
    times_s = []
    for _ in range(2):
        start_t = time.monotonic()
        engine = open_engine(PACKAGE, variant, provider=provider)
        times_s.append(time.monotonic() - start_t)
    difference = check_golden(engine, PACKAGE, variant)
    median_ms = measure_inference_ms(engine, PACKAGE.size_px, 10, 100)
    print(
        f"\n{variant} on {engine.ran_on}: {difference:.3f} off the golden answer, {median_ms:.2f} ms, "
        f"opened in {times_s[0]:.1f} s, then {times_s[1]:.1f} s"
    )
    assert engine.ran_on.startswith(f"{provider}: ")
    assert bool(list(cache.glob("*/*.engine"))) == (provider == "tensorrt")
