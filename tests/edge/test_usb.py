"""The errors of absent and unusable webcams. tests/machines tests the kernel's virtual webcam."""

import os
from pathlib import Path

import pytest

from edge.cameras import open_camera
from edge.cameras.usb import usb_source
from edge.errors import CameraError


@pytest.mark.parametrize("device", ["97", "/dev/video97", "/dev/v4l/by-id/usb-absent"])
def test_error_for_an_absent_camera_lists_the_present_ones(device: str) -> None:
    message = r"there is no camera /dev/(?:video97|v4l/by-id/usb-absent) \(found: "
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match=message):
        list(camera)


def test_error_for_a_device_that_cant_be_opened_names_a_command() -> None:
    with (
        open_camera("usb:/dev/null") as camera,
        pytest.raises(CameraError, match=r"/dev/null is busy or not a camera: .*fuser -v /dev/null"),
    ):
        list(camera)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every device")
def test_error_for_a_forbidden_device_names_a_command(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    with open_camera(f"usb:{device}") as camera, pytest.raises(CameraError, match="sudo usermod -aG video"):
        list(camera)


def test_opencv_read_of_a_hanging_camera_times_out_after_two_seconds() -> None:
    assert usb_source  # importing its module sets the variable, which OpenCV reads at the first capture
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "2"
