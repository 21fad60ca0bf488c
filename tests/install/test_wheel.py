"""The wheel works without the checkout: built, installed with pipx, run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "edge", "requirements/build.txt")


@pytest.mark.slow
def test_wheel_reads_letters_where_pipx_installed_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in BUILT_FROM:  # a copy: setuptools would leave its own files in the checkout
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, source / name)
    environment = {
        **os.environ,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "HOME": str(tmp_path),
        "PIP_BUILD_CONSTRAINT": str(source / "requirements/build.txt"),
    }

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done
        return done.stdout

    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", source)
    (wheel,) = (tmp_path / "dist").glob("asl_edge-*.whl")
    del environment["PIP_BUILD_CONSTRAINT"]
    run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, wheel)
    program = tmp_path / "bin/asl-edge"
    assert wheel.name.split("-")[1] in run(program, "--version")
    assert run(program, "demo", "HI").splitlines()[-1] == "HI"
