"""The kernel's virtual camera (vivid) in an emulated machine, ill-treated: `make test-cameras`.

MACHINE is the folder that make_root.sh built. Times are of an emulated and often busy machine: what is wanted
is that every fault is noticed and over within 10 s of its end, and that nothing ever waits for the camera.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.machine
HERE = Path(__file__).parent
BACK_S = 10.0  # from the end of the fault to a picture


def run(program: str, limit_s: int) -> dict[str, dict[str, Any]]:
    """What the program printed in the machine: one row for each fault."""
    machine = Path(os.environ["MACHINE"])
    subprocess.run([HERE / "run_machine.sh", machine, program, str(limit_s)], check=False)
    lines = (machine / "printed").read_text().splitlines()
    print(*lines, (machine / "console").read_text(), sep="\n")
    return {row["fault"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def layer() -> dict[str, dict[str, Any]]:
    return run("camera_faults.py", 1500)


@pytest.fixture(scope="module")
def program() -> dict[str, dict[str, Any]]:
    return run("camera_program.py", 1500)


def test_pictures_come_in_their_colours(layer: dict[str, dict[str, Any]]) -> None:
    assert layer["first picture"]["state"] == "live"
    red, green, blue = layer["red card"]["rgb"]
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("fault", ["the same picture again and again", "black pictures"])
def test_pictures_that_show_nothing_are_said(layer: dict[str, dict[str, Any]], fault: str) -> None:
    assert 0 <= layer[fault]["said_s"] < 5 + BACK_S
    assert 0 <= layer[fault]["recovered_s"] < BACK_S


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
def test_lost_camera_is_noticed_and_comes_back(layer: dict[str, dict[str, Any]], fault: str) -> None:
    assert 0 <= layer[fault]["noticed_s"] < BACK_S
    assert 0 <= layer[fault]["recovered_s"] < BACK_S


def test_clock_that_is_set_changes_nothing(layer: dict[str, dict[str, Any]]) -> None:
    assert layer["clock set a day forward, then back"]["reopenings"] == 0
    assert layer["all of these"]["times_back"] == 0


def test_loop_never_waited_for_the_camera(layer: dict[str, dict[str, Any]]) -> None:
    assert layer["all of these"]["longest_turn_s"] < 1.5  # 0.2 s, and the emulated machine's own hiccups
    assert layer["stop while stalled"]["ended_s"] < 2.0


def test_doctor_measures_it(program: dict[str, dict[str, Any]]) -> None:
    assert (program["doctor"]["code"], program["doctor"]["why"]) == (0, "")
    assert "640x480 px" in program["doctor"]["said"]


def test_held_camera_is_one_sentence(program: dict[str, dict[str, Any]]) -> None:
    row = program["camera held by another program"]
    assert row["code"] == 2
    assert row["why"].startswith("asl-edge: /dev/video0 is busy or no camera: end the program that holds it")


def test_sigterm_on_a_stalled_camera_ends_the_program(program: dict[str, dict[str, Any]]) -> None:
    row = program["SIGTERM while stalled"]  # after the letter that it is reading: a minute in this machine
    assert (row["read"], row["code"]) == (True, 0)


def test_program_whose_camera_stays_away_ends_with_its_own_code(program: dict[str, dict[str, Any]]) -> None:
    row = program["unplugged for good"]
    assert (row["read"], row["code"]) == (True, 3)
    assert 300 <= row["ended_s"] < 330


@pytest.fixture(scope="module")
def libcamera() -> dict[str, dict[str, Any]]:
    return run("libcamera_calls.py", 600)


def test_picamera2_gives_pictures_and_the_camera_back(libcamera: dict[str, dict[str, Any]]) -> None:
    for opening in ("first opening", "second opening"):
        row = libcamera[opening]
        assert (row["frames"], row["in_order"], row["shape"], row["differ"]) == (20, True, [720, 640], True)
        assert 0 <= row["age_s"] < 2.0  # from libcamera's clock to ours
        assert row["threads"] == []


def test_camera_of_another_format_and_one_that_is_absent_are_one_sentence(
    libcamera: dict[str, dict[str, Any]],
) -> None:
    assert "delivers NV12 instead of BGR888" in libcamera["only NV12"]["said"]
    assert "there is no camera pi:1 (found: Virtual" in libcamera["no second camera"]["said"]
