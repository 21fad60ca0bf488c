"""The thread that keeps the newest frame. A named pipe stands in for a device: it delivers, and it hangs."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from test_replay import N_FRAMES, write_video

from edge.cameras import open_camera
from edge.cameras.usb import UsbCamera
from edge.errors import CameraError
from edge.records import Frame


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[cv2.VideoCapture]:
    """A capture that gives about half of a video and then blocks in read(), as a camera does that hangs."""
    data = write_video(tmp_path / "whole.avi").read_bytes()
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    done = threading.Event()

    def deliver() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            done.wait()

    writer = threading.Thread(target=deliver)
    writer.start()
    capture = cv2.VideoCapture(str(pipe), cv2.CAP_FFMPEG)
    assert capture.isOpened()
    yield capture
    done.set()
    writer.join()


def wait_until_it_hangs(camera: UsbCamera) -> None:
    before, deadline = -1, time.monotonic() + 30
    while camera.dropped != before or not camera.dropped:
        assert time.monotonic() < deadline, "the pipe gave no frames"
        before = camera.dropped
        time.sleep(0.2)


def test_newest_frame_is_given_and_the_others_are_counted(hanging: cv2.VideoCapture) -> None:
    with UsbCamera(hanging, "pipe") as camera:
        wait_until_it_hangs(camera)
        frame = next(iter(camera))
        assert frame.index == camera.dropped > 0
        assert frame.image[..., 0].mean() > frame.image[..., 2].mean() + 50  # RGB of something red
        assert frame.t <= time.monotonic()


def test_camera_that_hangs_can_be_stopped_and_closed(hanging: cv2.VideoCapture) -> None:
    stop = threading.Event()
    with UsbCamera(hanging, "pipe", stop) as camera:
        wait_until_it_hangs(camera)
        assert next(iter(camera)).index > 0
        threading.Timer(0.3, stop.set).start()
        assert list(camera) == []  # returns although read() does not
    assert any(thread.name == "camera pipe" for thread in threading.enumerate())


def frames_until_it_fails(camera: UsbCamera) -> tuple[list[Frame], str]:
    frames = []
    try:
        for frame in camera:
            frames.append(frame)
    except CameraError as error:
        return frames, str(error)
    return pytest.fail("the camera ended without an error")


def test_camera_that_ends_gives_its_last_frame_and_then_an_error(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_video(tmp_path / "v.avi")), cv2.CAP_FFMPEG)
    with UsbCamera(capture, "/dev/video9") as camera:
        frames, sentence = frames_until_it_fails(camera)
    assert frames[-1].index == N_FRAMES - 1
    assert sentence.startswith("/dev/video9 gives no frames: ")
    assert not capture.isOpened()


def test_frames_are_in_order_and_none_is_given_twice(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_video(tmp_path / "v.avi")), cv2.CAP_FFMPEG)
    with UsbCamera(capture, "video") as camera:
        indices = [frame.index for frame in frames_until_it_fails(camera)[0]]
    assert indices == sorted(set(indices))
    assert len(indices) + camera.dropped == N_FRAMES


@pytest.mark.parametrize("device", ["97", "/dev/video97", "/dev/v4l/by-id/usb-absent"])
def test_absent_camera_is_one_sentence(device: str) -> None:
    with pytest.raises(CameraError, match=r"there is no camera /dev/\S+97|by-id/usb-absent \(found: "):
        open_camera(f"usb:{device}")


def test_device_that_is_no_camera_or_busy_says_how_to_find_out() -> None:
    with pytest.raises(CameraError, match=r"/dev/null is busy or no camera: .*fuser -v /dev/null"):
        open_camera("usb:/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_camera_of_another_user_says_what_to_do(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch(mode=0)
    with pytest.raises(CameraError, match="sudo usermod -aG video"):
        open_camera(f"usb:{device}")
