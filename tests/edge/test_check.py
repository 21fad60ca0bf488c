"""`asl-edge check` accepts a package that can run here and refuses every other one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import tiny_package


@pytest.fixture
def package(tiny_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_good_package_is_accepted_and_its_speed_printed(package: Path) -> None:
    done = check(package, "--limit-ms", "10000")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{package}: every file is as it was packaged")
    assert " ms per inference" in done.stdout


def test_changed_byte_is_refused(package: Path) -> None:
    (package / "tiny.int8.onnx").write_bytes((package / "tiny.int8.onnx").read_bytes()[:-1] + b"!")
    done = check(package)
    assert done.returncode == 2
    assert "sha256 differs" in done.stderr


@pytest.mark.parametrize("answers", [{}, {"int8": [9.0] * 25}, {"int8": None}])
def test_missing_golden_answer_is_refused(package: Path, answers: dict[str, list[float]]) -> None:
    tiny_package.write_metadata(package, answers)
    done = check(package)
    assert done.returncode == 2
    assert done.stderr.startswith(f"asl-edge: {package} holds no golden answer of int8")


def test_limit_of_nan_refuses_every_package(package: Path) -> None:
    assert check(package, "--limit-ms", "nan").returncode == 2


def test_wrong_golden_answer_is_refused(package: Path) -> None:
    tiny_package.write_metadata(package, {variant: [9.0] * 26 for variant in tiny_package.FILES})
    done = check(package)
    assert done.returncode == 2
    assert "answers the golden input" in done.stderr


def test_slow_model_is_refused_with_its_time(package: Path) -> None:
    done = check(package, "--limit-ms", "0.000001")
    assert done.returncode == 2
    assert "the limit is 1e-06 ms" in done.stderr


def test_settings_name_the_model_and_wrong_ones_are_refused(package: Path, tmp_path: Path) -> None:
    settings = tmp_path / "asl-edge.toml"
    settings.write_text(f'[model]\nfolder = "{package}"\nthreads = 1\n')
    assert check("--config", settings).returncode == 0
    settings.write_text("[model]\nthread = 1\n")
    done = check("--config", settings)
    assert done.returncode == 2
    assert "did you mean 'threads'" in done.stderr
