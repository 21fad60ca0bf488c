"""Faults of the kernel's virtual camera (vivid) in an emulated machine: `make test-cameras`.

MACHINE is the folder that make_root.sh built. Because the machine is emulated and often busy, the limits are
loose: every fault must be noticed within 10 s, and be over within 10 s of its end.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.machine
HERE = Path(__file__).parent
LIMIT_S = 10.0  # from a fault to its status, and from the fault's end to a picture


def run(program: str, timeout_s: int) -> dict[str, dict[str, Any]]:
    """Run a program in the machine; return the rows that it printed, by fault."""
    machine = Path(os.environ["MACHINE"])
    subprocess.run([HERE / "run_machine.sh", machine, program, str(timeout_s)], check=False)
    lines = (machine / "printed").read_text().splitlines()
    print(*lines, (machine / "console").read_text(), sep="\n")
    return {row["fault"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def faults() -> dict[str, dict[str, Any]]:
    return run("camera_faults.py", 1500)


@pytest.fixture(scope="module")
def program() -> dict[str, dict[str, Any]]:
    return run("camera_program.py", 1500)


def test_red_card_is_red(faults: dict[str, dict[str, Any]]) -> None:
    assert faults["first picture"]["state"] == "live"
    red, green, blue = faults["red card"]["rgb"]
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("fault", ["the same picture again and again", "black pictures"])
def test_identical_and_black_pictures_are_noticed(faults: dict[str, dict[str, Any]], fault: str) -> None:
    assert 0 <= faults[fault]["noticed_s"] < 5 + LIMIT_S
    assert 0 <= faults[fault]["recovered_s"] < LIMIT_S


@pytest.mark.parametrize(
    "fault",
    [
        "unplugged for 3 s",
        "unplugged for 40 s",
        "stalled for 8 s",
        "stalled for 40 s",
        "inject_fatal_streaming_error",
        "disconnect",
    ],
)
def test_lost_camera_is_noticed_and_recovers(faults: dict[str, dict[str, Any]], fault: str) -> None:
    assert 0 <= faults[fault]["noticed_s"] < LIMIT_S
    assert 0 <= faults[fault]["recovered_s"] < LIMIT_S


def test_setting_the_clock_does_not_affect_the_camera(faults: dict[str, dict[str, Any]]) -> None:
    assert faults["clock set a day forward, then back"]["reopenings"] == 0
    assert faults["all of these"]["times_back"] == 0


def test_loop_never_waits_for_the_camera(faults: dict[str, dict[str, Any]]) -> None:
    assert faults["all of these"]["longest_step_s"] < 1.5  # 0.2 s, and delays of the emulated machine
    assert faults["stop while stalled"]["ended_s"] < 2.0


def test_doctor_measures_the_camera(program: dict[str, dict[str, Any]]) -> None:
    assert (program["doctor"]["code"], program["doctor"]["error"]) == (0, "")
    assert "640x480 px" in program["doctor"]["output"]


def test_error_for_a_busy_camera_says_what_to_do(program: dict[str, dict[str, Any]]) -> None:
    row = program["camera held by another program"]
    assert row["code"] == 2
    assert row["error"].startswith(
        "asl-edge: /dev/video0 is busy or not a camera: end the program that holds"
    )


def test_sigterm_ends_the_program_while_the_camera_is_stalled(program: dict[str, dict[str, Any]]) -> None:
    row = program["SIGTERM while stalled"]  # it ends after an inference: a minute in this machine
    assert (row["read"], row["code"]) == (True, 0)


def test_program_without_its_camera_for_five_minutes_exits_with_3(program: dict[str, dict[str, Any]]) -> None:
    row = program["unplugged for good"]
    assert (row["read"], row["code"]) == (True, 3)
    assert 300 <= row["ended_s"] < 330


@pytest.fixture(scope="module")
def libcamera() -> dict[str, dict[str, Any]]:
    return run("libcamera_calls.py", 600)


def test_picamera2_delivers_pictures_and_releases_the_camera(libcamera: dict[str, dict[str, Any]]) -> None:
    for opening in ("first opening", "second opening"):
        row = libcamera[opening]
        assert (row["frames"], row["in_order"], row["shape"], row["differ"]) == (20, True, [720, 640], True)
        assert 0 <= row["age_s"] < 2.0  # converted from libcamera's clock
        assert row["threads"] == []


def test_wrong_format_and_absent_camera_are_camera_errors(libcamera: dict[str, dict[str, Any]]) -> None:
    assert "delivers NV12 instead of BGR888" in libcamera["only NV12"]["error"]
    assert "there is no camera pi:1 (found: Virtual" in libcamera["no second camera"]["error"]
