"""Settings and fixtures of all tests."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.full_disk import FullAfter

import edge  # noqa: F401  sets OpenCV's limits, which OpenCV reads once when it is loaded

# no test may fail because the machine is busy
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it once when it is imported


@pytest.fixture
def full_after() -> FullAfter:
    """Simulate a full disk: `with full_after(n):` limits every file of this process to n bytes."""

    @contextlib.contextmanager
    def limit_files(max_bytes: int) -> Iterator[None]:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return limit_files


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a deployment package that reads F from every picture. Tests that change it must copy it."""
    from support.tiny_package import build_tiny_package  # imports torch, which most tests don't need

    return build_tiny_package(tmp_path_factory.mktemp("tiny") / "deployment_package").folder
