"""The commands of docs/training.md work in their order on small data."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_data import write_two_signers

from edge.errors import DataError
from train.synthetic.people.render import renderer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# flags that reduce each command to seconds
SMALLER = {
    "people": "--pictures 6 --workers 1",
    "cut": "--crops 40",
    "fit": "--schedule 64x1 --batch 8 --init scratch",
    "export": "--quick --accept-drop",
}
BACKSTOP_S = 1800


def read_commands() -> list[str]:
    """Return the commands of the page that train, export, or use the package."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console[^\n]*\n(.*?)^```", page, flags=re.M | re.S)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(".venv-dev/bin/")]
    return [
        command for command in commands if can_make_people() or not re.search(r" people | made/", command)
    ]


def can_make_people() -> bool:
    try:
        renderer(64)
    except DataError:  # its packages or OpenGL are absent
        return False
    return importlib.util.find_spec("anny") is not None


def shrink(command: str) -> list[str]:
    """Return the arguments of a command for this interpreter, with the flags that make it fast."""
    program, *arguments = shlex.split(command)
    if program.endswith("/asl-edge"):
        return [sys.executable, "-m", "edge", *arguments]
    name = arguments[2] if arguments[1] == "train" else arguments[1]
    return [sys.executable, *arguments, *shlex.split(SMALLER.get(name, ""))]


def test_commands_of_the_page_lead_from_photographs_to_letters(tmp_path: Path) -> None:
    write_two_signers(tmp_path / "photographs", per_letter=3)
    shutil.copy(tmp_path / "photographs" / "ben" / "A" / "0.png", tmp_path / "photograph.jpg")
    commands = read_commands()
    assert len(commands) in (7, 9)
    assert [" train " in command for command in commands] == [True] * (len(commands) - 3) + [False] * 3
    for command in commands:
        done = subprocess.run(
            shrink(command),
            cwd=tmp_path,
            env={"ANNY_CACHE_DIR": str(ROOT / "build/anny"), **os.environ}
            | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            timeout=BACKSTOP_S,
            check=False,
        )
        if " check " in command:  # a network of 40 crops reads no hand, which a board must hear of
            assert (done.returncode, "holds no golden pictures" in done.stderr) == (2, True)
            continue
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert '"file": "photograph.jpg"' in done.stdout
