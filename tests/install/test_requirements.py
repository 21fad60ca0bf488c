"""The pins are looked after: by sums, by patches, and in words that say when nobody has looked."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PINNED = sorted(REQUIREMENTS.glob("*.txt"))
patches = runpy.run_path(str(REQUIREMENTS / "patches.py"), run_name="patches")


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_every_pin_has_a_version_and_a_sum(path: Path) -> None:
    blocks = [block for block in re.split(r"\n(?=[A-Za-z])", path.read_text()) if re.match("[A-Za-z]", block)]
    assert len(blocks) == len(patches["PIN"].findall(path.read_text()))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize(
    ("version", "asked"),
    [("2.13.0", "2.13.*"), ("5.0.0.93", "5.0.0.*"), ("26.3", "26.3"), ("25.12.19", "25.12.*"), ("80", "80")],
)
def test_patch_is_the_last_of_three_or_more_numbers(version: str, asked: str) -> None:
    assert patches["pattern"](version) == asked


def test_older_patch_is_found_for_its_marker_alone() -> None:
    text = "a==1.3.2 ; python_full_version < '3.11' \\\n    --hash=sha256:0\n"
    text += "a==1.3.3 ; python_full_version >= '3.11' \\\n"
    pins = patches["PIN"].findall(text)
    assert [(name, version) for name, version, _ in pins] == [("a", "1.3.2"), ("a", "1.3.3")]
    assert len({marker for _, _, marker in pins}) == 2


def test_audit_that_can_not_look_says_so_and_fails() -> None:
    """Here without pip-audit; where its data can't be reached the answer is the same."""
    done = subprocess.run(
        [sys.executable, REQUIREMENTS / "audit.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("NOTHING WAS AUDITED: ")
