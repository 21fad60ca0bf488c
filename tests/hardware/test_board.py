"""For the owner of a board: ASL_CAMERA=pi pytest -m hardware -s tests/hardware

ASL_CAMERA is what --camera takes; ASL_FPS what it should reach (default 30). The tests say what to do.
"""

import os
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge.cameras import Camera, open_camera
from edge.records import Frame

pytestmark = pytest.mark.hardware
SPEC = os.environ.get("ASL_CAMERA", "usb:0")
FPS = float(os.environ.get("ASL_FPS", "30"))
DO_IT_S = 30.0  # for somebody to do what the test asks


def frames(camera: Camera, seconds: float) -> Iterator[Frame]:
    end_s = time.monotonic() + seconds
    for frame in camera:
        if frame is not None:
            yield frame
        if time.monotonic() > end_s:
            return


def please(what: str) -> None:
    print(f"\n>>> {what}", flush=True)


def centre_rgb(frame: Frame) -> list[float]:
    height, width = frame.image.shape[:2]
    middle = frame.image[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]
    return middle.reshape(-1, 3).mean(axis=0).tolist()


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("blue", 2)])
def test_card_has_its_own_colour(colour: str, channel: int) -> None:
    please(f"hold something {colour} before the middle of the camera")
    with open_camera(SPEC, FPS) as camera:
        for frame in frames(camera, DO_IT_S):
            rgb = centre_rgb(frame)
            if rgb[channel] > 40 + max(value for other, value in enumerate(rgb) if other != channel):
                return
    pytest.fail(f"the middle never was {colour}: the last was RGB {[round(value) for value in rgb]}")


def test_frames_come_as_often_as_asked() -> None:
    with open_camera(SPEC, FPS) as camera:
        seen = list(frames(camera, 6.0))
    fps = (seen[-1].index - seen[0].index) / (seen[-1].t - seen[0].t)
    assert fps > 0.8 * FPS, f"{fps:.1f} frames/s"


def test_frames_are_fresh_and_their_times_go_on() -> None:
    with open_camera(SPEC, FPS) as camera:
        ages_s, times_s = [], []
        for frame in frames(camera, 4.0):
            ages_s.append(time.monotonic() - frame.t)
            times_s.append(frame.t)
            time.sleep(0.1)  # as long as a network takes
    assert np.median(ages_s) < 0.2
    assert min(ages_s) >= 0
    assert times_s == sorted(set(times_s))


def test_released_camera_opens_again_five_times() -> None:
    for _ in range(5):
        with open_camera(SPEC, FPS) as camera:
            assert next(frames(camera, 20.0)).image.any()


def test_unplugged_camera_comes_back() -> None:
    if not SPEC.startswith("usb"):
        pytest.skip("a ribbon cable is never pulled while the board is on")
    with open_camera(SPEC, FPS) as camera:
        next(frames(camera, 20.0))
        please("pull the camera's plug, wait five seconds, and plug it in again")
        blind, end_s = False, time.monotonic() + 2 * DO_IT_S
        for _ in camera:
            blind |= camera.state().status == "blind"
            if blind and camera.state().status == "live":
                return
            assert time.monotonic() < end_s, camera.state()
