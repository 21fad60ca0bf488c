"""The unit's sandbox is as strict as promised, and systemd/README.md explains each of its lines."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "asl-edge.service"
DROP_INS = ("gpu.conf", "jetson.conf", "network.conf", "teach.conf")
HIGHEST_EXPOSURE = 25  # tenths: systemd-analyze counts from 0.0 to 10.0


def parse_lines(file: Path) -> list[tuple[str, str]]:
    """Return (directive, value) in their order."""
    return re.findall(r"^([A-Za-z]+)=(.*)$", file.read_text(), re.MULTILINE)


def value_of(directive: str) -> str:
    (value,) = (value for name, value in parse_lines(UNIT) if name == directive)
    return value


def test_readme_explains_each_line_of_the_unit_and_no_other() -> None:
    used = {name for file in (UNIT, *(SYSTEMD / name for name in DROP_INS)) for name, _ in parse_lines(file)}
    rows = re.findall(r"^\| (`[^|]*=`) \| ([^|]+) \|", (SYSTEMD / "README.md").read_text(), re.MULTILINE)
    explained = [name for first, _ in rows for name in re.findall(r"`([A-Za-z]+)=`", first)]
    assert sorted(explained) == sorted(used)
    assert all(len(reason.split()) >= 2 for _, reason in rows)


def test_readme_names_each_device_and_each_variable() -> None:
    readme = (SYSTEMD / "README.md").read_text()
    for name, value in parse_lines(UNIT):
        if name in ("DeviceAllow", "Environment"):
            assert f"`{value.removesuffix(' rw')}`" in readme


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (apt install systemd)")
@pytest.mark.parametrize("drop_in", [None, *DROP_INS])
def test_exposure_is_below_the_limit(tmp_path: Path, drop_in: str | None) -> None:
    unit = Path(shutil.copy(UNIT, tmp_path))
    if drop_in:
        (tmp_path / f"{unit.name}.d").mkdir()
        shutil.copy(SYSTEMD / drop_in, tmp_path / f"{unit.name}.d")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={HIGHEST_EXPOSURE}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("needs systemd-analyze security --offline (systemd 250)")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ignoring" not in done.stderr
    assert "Overall exposure level for asl-edge.service" in done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze (apt install systemd)")
def test_systemd_understands_each_line(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("/opt/asl-edge/current/bin/asl-edge", sys.executable)
    (tmp_path / UNIT.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    about_ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, about_ours) == (0, []), done.stderr


def test_service_never_gives_up() -> None:
    assert (value_of("Restart"), value_of("StartLimitIntervalSec")) == ("always", "0")
