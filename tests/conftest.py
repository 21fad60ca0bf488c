"""Fixtures that several test files share."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from support.full_disk import FullAfter

import edge  # noqa: F401  first: it sets OpenCV's limits, which are read once, when OpenCV is loaded

# no test may fail because the machine is busy
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when torch is imported


@pytest.fixture
def full_after() -> FullAfter:
    """Let no file of this process grow beyond a number of bytes, as on a full disk."""

    @contextlib.contextmanager
    def limited(most_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real deployment package that reads F from every picture; copy it before changing it."""
    from support.tiny_package import build_tiny_package  # imports torch: only where a test needs a package

    return build_tiny_package(tmp_path_factory.mktemp("tiny") / "deployment_package").folder
