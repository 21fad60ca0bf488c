"""Cameras on USB that are not there. Those that are: tests/machines, on the kernel's virtual camera."""

import os
from pathlib import Path

import pytest

from edge.cameras import open_camera
from edge.cameras.usb import v4l2_driver
from edge.errors import CameraError


@pytest.mark.parametrize("device", ["97", "/dev/video97", "/dev/v4l/by-id/usb-absent"])
def test_absent_camera_is_one_sentence(device: str) -> None:
    says = r"there is no camera /dev/(?:video97|v4l/by-id/usb-absent) \(found: "
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match=says):
        list(camera)


def test_device_that_is_no_camera_or_busy_says_how_to_find_out() -> None:
    with (
        open_camera("usb:/dev/null") as camera,
        pytest.raises(CameraError, match=r"/dev/null is busy or no camera: .*fuser -v /dev/null"),
    ):
        list(camera)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_camera_of_another_user_says_what_to_do(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match="sudo usermod -aG video"):
        list(camera)


def test_opencv_waits_two_seconds_and_not_ten_for_a_camera_that_hangs() -> None:
    assert v4l2_driver  # imported: that sets it, before OpenCV reads it at its first capture
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "2"
