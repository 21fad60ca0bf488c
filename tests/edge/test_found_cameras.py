"""Which video devices are cameras, and the camera `auto`. tests/machines asks the kernel's virtual webcam."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.cameras.v4l2 import CAPABILITY, VIDIOC_QUERYCAP, kind_of

WITH_DEVICES = Path(__file__).parents[1] / "support/with_video_devices.sh"
CODECS = [
    "10:bcm2835-codec-decode",
    "12:bcm2835-codec-isp",
    "13:bcm2835-isp-output0",
    "14:bcm2835-isp-capture0",
    "19:rpi-hevc-dec",
    "31:bcm2835-codec-encode_image",
]
PI_4 = ["0:unicam-image", "1:unicam-embedded", *CODECS]
PI_5 = [
    "0:rp1-cfe-csi2_ch0",
    "1:rp1-cfe-csi2_ch1",
    "4:rp1-cfe-embedded",
    "20:pispbe-input",
    "35:pispbe-config",
]
TWO = ["0:unicam-image", "1:vi-output, imx219 9-0010"]

pytestmark = pytest.mark.skipif(
    subprocess.run([WITH_DEVICES, "--", "true"], capture_output=True, check=False).returncode != 0,
    reason="this user may not make a mount namespace",
)


def run_with(devices: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [WITH_DEVICES, *devices, "--", sys.executable, "-m", "edge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_codecs_are_no_cameras() -> None:
    rows = [row for row in run_with(CODECS, "doctor").stdout.splitlines() if row.startswith("camera")]
    assert [row.split(maxsplit=2)[2] for row in rows] == ["none found (replay: and synthetic: need none)"]


@pytest.mark.parametrize(("devices", "name"), [(PI_4, "unicam-image"), (PI_5, "rp1-cfe-csi2_ch0")])
def test_ribbon_camera_is_listed_once(devices: list[str], name: str) -> None:
    rows = [row for row in run_with(devices, "doctor").stdout.splitlines() if row.startswith("camera")]
    assert len(rows) == 1
    assert f"pi  {name}" in rows[0]


def test_ribbon_camera_is_refused_as_a_webcam() -> None:
    result = run_with(PI_4, "run", "--camera", "usb:0")
    assert result.returncode == 2
    assert "/dev/video0 (unicam-image) is a ribbon camera's raw data" in result.stderr
    assert result.stderr.endswith("use --camera pi\n")


def test_codec_is_refused_as_a_webcam() -> None:
    result = run_with(PI_4, "run", "--camera", "usb:10")
    assert result.returncode == 2
    assert "/dev/video10 (bcm2835-codec-decode) is no camera (found: pi)" in result.stderr


def test_auto_takes_the_only_camera() -> None:
    result = run_with(["0:vi-output, imx219 9-0010"], "run", "--camera", "auto")
    assert result.returncode == 2
    assert "asl-edge: gst-launch-1.0" in result.stderr or "asl-edge: jetson:0" in result.stderr


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        (CODECS, "auto finds no camera: plug one in"),
        (TWO, "auto finds 2 cameras, pi (unicam-image) and jetson (vi-output, imx219 9-0010): name one"),
    ],
)
def test_auto_says_what_there_is(devices: list[str], says: str) -> None:
    result = run_with(devices, "run", "--camera", "auto")
    assert result.returncode == 2
    assert says in result.stderr


def test_the_kernel_is_asked_with_its_own_number() -> None:
    assert CAPABILITY.size == 104
    assert VIDIOC_QUERYCAP == 0x80685600  # linux/videodev2.h
    assert kind_of(Path("/dev/null")) is None
