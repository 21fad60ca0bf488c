"""Tests for a board with a camera: ASL_CAMERA=pi pytest -m hardware -s tests/hardware

ASL_CAMERA: the camera, as for --camera (default usb:0). ASL_FPS: its frame rate in Hz (default 30). The tests
print what you have to do.
"""

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.cameras import Camera, open_camera
from edge.records import Frame

pytestmark = pytest.mark.hardware
CAMERA = os.environ.get("ASL_CAMERA", "usb:0")
FPS = float(os.environ.get("ASL_FPS", "30"))
PERSON_S = 30.0  # for a person to follow an instruction


def read_frames(camera: Camera, seconds: float) -> Iterator[Frame]:
    end_t = time.monotonic() + seconds
    for frame in camera:
        if frame is not None:
            yield frame
        if time.monotonic() > end_t:
            return


def instruct(instruction: str) -> None:
    print(f"\n>>> {instruction}", flush=True)


def mean_centre_rgb(frame: Frame) -> list[float]:
    height, width = frame.image.shape[:2]
    middle = frame.image[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]
    return middle.reshape(-1, 3).mean(axis=0).tolist()


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("blue", 2)])
def test_colour_is_in_its_rgb_channel(colour: str, channel: int) -> None:
    instruct(f"hold something {colour} in front of the camera, in the middle of the picture")
    with open_camera(CAMERA, FPS) as camera:
        for frame in read_frames(camera, PERSON_S):
            rgb = mean_centre_rgb(frame)
            if rgb[channel] > 40 + max(value for other, value in enumerate(rgb) if other != channel):
                return
    pytest.fail(f"the middle of the picture was never {colour}; at last RGB {[round(v) for v in rgb]}")


def test_camera_delivers_the_requested_frame_rate() -> None:
    with open_camera(CAMERA, FPS) as camera:
        frames = list(read_frames(camera, 6.0))
    fps = (frames[-1].index - frames[0].index) / (frames[-1].t - frames[0].t)
    assert fps > 0.8 * FPS, f"{fps:.1f} frames/s"


def test_frames_are_fresh_and_in_order() -> None:
    with open_camera(CAMERA, FPS) as camera:
        ages_s, times = [], []
        for frame in read_frames(camera, 4.0):
            ages_s.append(time.monotonic() - frame.t)
            times.append(frame.t)
            time.sleep(0.1)  # as long as an inference
    assert np.median(ages_s) < 0.2
    assert min(ages_s) >= 0
    assert times == sorted(set(times))


def test_closed_camera_can_be_opened_again() -> None:
    for _ in range(5):
        with open_camera(CAMERA, FPS) as camera:
            assert next(read_frames(camera, 20.0)).image.any()


def test_camera_recovers_when_it_is_plugged_in_again() -> None:
    if not CAMERA.startswith("usb"):
        pytest.skip("a ribbon cable must not be unplugged while the board is on")
    with open_camera(CAMERA, FPS) as camera:
        next(read_frames(camera, 20.0))
        instruct("unplug the camera, wait five seconds, and plug it in again")
        was_blind, end_t = False, time.monotonic() + 2 * PERSON_S
        for _ in camera:
            was_blind |= camera.state().status == "blind"
            if was_blind and camera.state().status == "live":
                return
            assert time.monotonic() < end_t, camera.state()
