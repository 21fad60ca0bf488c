"""The table of `asl-edge doctor` shows what works and finds what does not."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from support import tiny_package

from edge.commands.doctor import examine, examine_camera
from edge.package import open_package
from edge.personalize.correction import Examples
from edge.personalize.taught_file import locate_taught_file
from edge.records import CameraState, Frame
from edge.settings import Settings


@pytest.fixture
def broken_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_folder, tmp_path / "deployment_package")


def test_good_installation_is_ok(tiny_folder: Path) -> None:
    lines, ok = examine(Settings(model=str(tiny_folder)))
    assert ok
    rows = [line.split() for line in lines]
    assert [row[0] for row in rows[:5]] == ["Python", "numpy", "onnxruntime", "OpenCV", "torch"]
    assert sum("gives its golden answer" in line for line in lines) == 2
    assert lines[-1].endswith("dynamic: not tried, because TorchScript can read and write files")
    assert "BAD" not in "\n".join(lines)


def test_changed_byte_is_reported(broken_folder: Path) -> None:
    with (broken_folder / "tiny.int8.onnx").open("ab") as file:
        file.write(b"!")
    lines, ok = examine(Settings(model=str(broken_folder)))
    assert not ok
    assert lines[-1].startswith("model        BAD  ")
    assert "copy the package again" in lines[-1]


def test_model_with_another_golden_answer_is_reported(broken_folder: Path) -> None:
    tiny_package.write_metadata(broken_folder, {variant: [9.0] * 26 for variant in tiny_package.FILES})
    lines, ok = examine(Settings(model=str(broken_folder)))
    assert not ok
    assert sum("BAD" in line and "answers the golden input" in line for line in lines) == 2


def test_torchscript_is_tried_if_the_settings_name_it(tiny_folder: Path) -> None:
    lines, ok = examine(Settings(model=str(tiny_folder), variant="dynamic"))
    assert ok
    assert sum("dynamic on cpu: gives its golden answer" in line for line in lines) == 1


def test_torch_is_optional(tiny_folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "asl-edge.toml"
    settings.write_text(f'[model]\nfolder = "{tiny_folder}"\nvariant = "dynamic"\n')
    code = (
        "import sys; sys.modules['torch'] = None  # what an import finds where torch is not installed\n"
        f"from edge.commands.cli import main; sys.exit(main(['doctor', '--config', {str(settings)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "not installed (optional: for --variant dynamic)" in done.stdout
    assert "dynamic: not tried, torch is not installed" in done.stdout


@pytest.mark.parametrize("module", ["cv2", "onnxruntime"])
def test_broken_installation_is_a_row_without_a_traceback(tiny_folder: Path, module: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = sys.modules['torch'] = None\n"
        f"from edge.commands.cli import main; sys.exit(main(['doctor', '--model', {str(tiny_folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "can't be imported" in done.stdout


@pytest.mark.slow
def test_camera_is_measured_for_some_seconds() -> None:
    command = [sys.executable, "-m", "edge", "doctor", "--camera", "synthetic:HELLO", "--fps", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert rows["camera"] == "synthetic: live"
    assert rows["pictures"].startswith("640x480 px, mean brightness ")
    assert 4.5 < float(rows["frames/s"].split()[0]) < 5.5
    assert rows["verdict"] == "ok"


class SlowAndDark:
    """A camera that gives 4 black frames per second."""

    dropped = 0

    def __enter__(self) -> "SlowAndDark":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __init__(self, what: Literal["live", "black"]) -> None:
        self._status = what

    def state(self) -> CameraState:
        return CameraState("test:0", self._status, 0, 0.0, 0)

    def __iter__(self) -> Iterator[Frame | None]:
        for index in range(100):
            yield Frame(np.zeros((48, 64, 3), np.uint8), index / 4, index)


@pytest.mark.parametrize(
    ("what", "says"),
    [("live", "BAD: 30 frames/s were asked for: "), ("black", "BAD: it delivers black pictures: ")],
)
def test_faulty_camera_is_reported(what: Literal["live", "black"], says: str) -> None:
    lines, ok = examine_camera(SlowAndDark(what), 30.0)
    assert not ok
    assert lines[2].split()[1] == "4.0"
    assert says in lines[3]


def test_taught_letters_are_listed(tiny_folder: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(tiny_folder), state_dir=str(tmp_path))
    file = locate_taught_file(open_package(tiny_folder), "int8", settings.state_dir)
    assert not any(line.startswith("taught") for line in examine(settings)[0])

    features = np.ones((3, file.n_features), np.float32)
    file.save(Examples(features, np.zeros((3, 26), np.float32), np.array([6, 4, 6])))
    lines, ok = examine(settings)
    assert ok
    assert any(line.split()[:6] == ["taught", "ok", "3", "examples", "of", "E,"] for line in lines)

    file.path.write_bytes(b"not what was taught")
    lines, ok = examine(settings)
    assert not ok
    assert any("taught" in line and "asl-edge teach --forget" in line for line in lines)
