"""What the playbook writes and runs on a board: settings with any characters, and its look for the camera."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cameras.v4l2 import RIBBON
from edge.settings_file import read_settings

ROLE = Path(__file__).parents[2] / "ansible/roles/asl_edge"
FIND_CAMERA = ROLE / "files/find_camera"


def board_with(root: Path, names: dict[str, str]) -> Path:
    (root / "dev").mkdir()
    for device, name in names.items():
        (root / "dev" / device).touch()
        folder = root / "sys/class/video4linux" / device
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
    for number in range(5):
        (root / f"dev/media{number}").touch()
    return root


def find_camera(camera: str, root: Path) -> tuple[int, str]:
    command = [sys.executable, FIND_CAMERA, camera, root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


CODECS = {"video10": "bcm2835-codec-decode", "video14": "bcm2835-isp-capture0"}
PI_4 = {"video0": "unicam-image", "video1": "unicam-embedded", **CODECS}


@pytest.mark.parametrize(
    ("devices", "camera"),
    [
        (PI_4, "pi"),
        ({"video0": "rp1-cfe-csi2_ch0"}, "pi:0"),
        ({"video0": "vi-output, imx219 9-0010"}, "jetson:0"),
        ({}, "synthetic:L"),
    ],
)
def test_playbook_finds_the_camera(tmp_path: Path, devices: dict[str, str], camera: str) -> None:
    assert find_camera(camera, board_with(tmp_path, devices)) == (0, "")


@pytest.mark.parametrize(
    ("devices", "camera", "says"),
    [
        (CODECS, "pi", "finds no sensor on a ribbon cable"),
        ({}, "jetson:0", "finds no sensor on a ribbon cable"),
        (PI_4, "usb:0", "is a ribbon camera (unicam-image): set asl_edge_camera=pi"),
        (PI_4, "usb:10", "(bcm2835-codec-decode) is no camera"),
        (PI_4, "usb:7", "plug the camera in"),
        ({}, "replay:/absent.mp4", "the board has no /absent.mp4"),
    ],
)
def test_playbook_stops_before_it_installs_without_the_camera(
    tmp_path: Path, devices: dict[str, str], camera: str, says: str
) -> None:
    code, error = find_camera(camera, board_with(tmp_path, devices))
    assert code == 1
    assert says in error


def test_settings_with_any_characters_arrive(tmp_path: Path) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="comes with torch")
    environment = jinja2.Environment(trim_blocks=True)
    environment.filters["to_json"] = json.dumps  # as ansible's, which hands its arguments on
    environment.filters["combine"] = lambda left, right, recursive: {**left, **right}
    text = environment.from_string((ROLE / "templates/asl-edge.toml.j2").read_text()).render(
        asl_edge_camera="synthetic:L",
        asl_edge_signers=[],
        asl_edge_settings={"mqtt": {"name": "Küche 🖐"}},
        ansible_managed="managed",
    )
    file = tmp_path / "asl-edge.toml"
    file.write_text(text, encoding="utf-8")
    settings = read_settings(file)
    assert settings.mqtt_name == "Küche 🖐"
    assert settings.camera == "synthetic:L"


def test_playbook_and_program_know_the_same_ribbon_cameras() -> None:
    known = runpy.run_path(str(FIND_CAMERA))["SENSORS"]
    assert {beginning: kind for kind, names in known.items() for beginning in names} == RIBBON


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may lock apt")
def test_playbook_waits_for_apt() -> None:
    lock = Path("/var/lib/apt/lists/lock")
    if not lock.exists():
        pytest.skip("no apt here")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        command = [sys.executable, ROLE / "files/wait_for_apt"]
        busy = subprocess.run([*command, "0"], capture_output=True, text=True, check=False)
        with subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout
            assert waiting.stdout.readline() == "another program uses apt: waiting up to 60 s\n"
            holder.stdin.close()
            assert waiting.wait(60) == 0
    assert (busy.returncode, busy.stderr[:26]) == (1, "another program still uses")
