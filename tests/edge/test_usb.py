"""Webcams that are absent. tests/machines tries the kernel's virtual camera."""

import os
from pathlib import Path

import pytest

from edge.cameras import open_camera
from edge.cameras.usb import usb_source
from edge.errors import CameraError


@pytest.mark.parametrize("device", ["97", "/dev/video97", "/dev/v4l/by-id/usb-absent"])
def test_absent_camera_is_one_sentence(device: str) -> None:
    says = r"there is no camera /dev/(?:video97|v4l/by-id/usb-absent) \(found: "
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match=says):
        list(camera)


def test_device_that_is_busy_or_not_a_camera_names_a_command() -> None:
    with (
        open_camera("usb:/dev/null") as camera,
        pytest.raises(CameraError, match=r"/dev/null is busy or not a camera: .*fuser -v /dev/null"),
    ):
        list(camera)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_camera_of_another_user_says_what_to_do(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match="sudo usermod -aG video"):
        list(camera)


def test_opencv_waits_two_seconds_and_not_ten_for_a_camera_that_hangs() -> None:
    assert usb_source  # its import sets the variable, before OpenCV reads it at the first capture
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "2"
