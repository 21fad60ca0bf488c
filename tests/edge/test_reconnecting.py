"""Supervision of live cameras, with drivers that deliver, hang and fail; one hangs in OpenCV's read()."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.videos import write_video

from edge.cameras.driver import Driver, LiveSource, Pictures
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraBlind, CameraError
from edge.records import Frame, Image

SIZE_PX = (64, 48)
SHORT_TIMEOUTS = Timeouts(open_s=1.0, silent_s=0.4, pause_s=0.1, longest_pause_s=0.4, blind_s=60, fault_s=0.5)
INTERVAL_S = 0.02


def make_picture(number: int) -> Image:
    """Return a picture that differs from the previous one."""
    return np.full((48, 64, 3), 50 + number % 200, np.uint8)


def steady(
    abandoned: threading.Event, n: int = 10**9, make: Callable[[int], Image] = make_picture
) -> Pictures:
    """A driver that delivers n pictures, one every INTERVAL_S."""
    for number in range(n):
        yield make(number), time.monotonic()
        abandoned.wait(INTERVAL_S)


def camera_with(
    driver: Driver,
    timeouts: Timeouts = SHORT_TIMEOUTS,
    stop: threading.Event | None = None,
    is_plugged_in: Callable[[], bool] = lambda: True,
) -> ReconnectingCamera:
    return ReconnectingCamera(LiveSource("test:0", driver, SIZE_PX, is_plugged_in), stop, timeouts)


def read_for(camera: ReconnectingCamera, seconds: float) -> list[Frame]:
    """Read the camera for some seconds, and return its frames."""
    end_t, frames = time.monotonic() + seconds, []
    for frame in camera:
        if frame is not None:
            frames.append(frame)
        if time.monotonic() > end_t:
            break
    return frames


def read_frames(camera: ReconnectingCamera, n: int) -> Iterator[Frame]:
    """Yield the next n frames."""
    return islice((frame for frame in camera if frame is not None), n)


def wait_for(camera: ReconnectingCamera, *statuses: str) -> None:
    """Read the camera until it has one of these statuses."""
    end_t = time.monotonic() + 30
    for _ in camera:
        if camera.state().status in statuses:
            return
        assert time.monotonic() < end_t, f"still {camera.state()}"


class Openings:
    """Behaves as the driver `first` when it is opened for the first time, and then as `later`."""

    def __init__(self, first: Driver, later: Driver = steady) -> None:
        self.times: list[float] = []
        self._first, self._later = first, later

    def __call__(self, abandoned: threading.Event) -> Pictures:
        self.times.append(time.monotonic())
        return (self._first if len(self.times) == 1 else self._later)(abandoned)


def silent_after_three(abandoned: threading.Event) -> Pictures:
    yield from steady(abandoned, 3)
    time.sleep(1.5)  # ignores `abandoned`, like a driver that hangs in its device


def fails(abandoned: threading.Event) -> Pictures:
    raise CameraError("test:0 is busy: end the other program")
    yield


def fails_after_three(abandoned: threading.Event) -> Pictures:
    yield from steady(abandoned, 3)
    raise CameraError("test:0 was unplugged")


def test_every_frame_is_delivered_once_in_order_with_its_capture_time() -> None:
    with camera_with(steady) as camera:
        assert camera.state().status == "opening"
        frames = read_for(camera, 0.5)
        assert camera.state().status == "live"
        assert 0 <= camera.state().frame_age_s < 10
    assert len(frames) > 5
    assert [f.image[0, 0, 0] for f in frames] == [make_picture(f.index)[0, 0, 0] for f in frames]
    assert [f.t for f in frames] == sorted({f.t for f in frames})
    assert frames[-1].t <= time.monotonic()


def test_late_reader_gets_the_newest_frame_and_the_others_count_as_dropped() -> None:
    with camera_with(steady) as camera:
        frames = list(read_frames(camera, 1))
        time.sleep(0.5)
        frames += read_frames(camera, 1)
        assert frames[-1].index >= 5
        assert camera.dropped == camera.state().dropped == frames[-1].index + 1 - len(frames)
        assert time.monotonic() - frames[-1].t < 0.4  # captured after the pause began


def test_silent_camera_is_reopened_while_the_loop_keeps_running(caplog: pytest.LogCaptureFixture) -> None:
    openings = Openings(silent_after_three)
    step_times, indices = [time.monotonic()], []
    with caplog.at_level(logging.WARNING), camera_with(openings) as camera:
        for frame in camera:
            step_times.append(time.monotonic())
            if frame is not None:
                indices.append(frame.index)
                if frame.index > 4:
                    break
        state = camera.state()
    assert (state.status, state.reopened) == ("live", 1)
    assert max(np.diff(step_times)) < 0.5
    assert indices == sorted(set(indices))  # the numbers continue after the gap
    assert "test:0 has delivered no picture for 0.4 s" in caplog.records[0].message
    assert "test:0 delivers pictures again after" in caplog.records[1].message


def test_reopened_camera_may_be_slow_to_deliver_its_first_picture() -> None:
    def starts_slowly(abandoned: threading.Event) -> Pictures:
        time.sleep(1.0)  # longer than `silent_s`
        yield from steady(abandoned)

    openings = Openings(silent_after_three, starts_slowly)
    with camera_with(openings, Timeouts(open_s=10.0, silent_s=0.3, pause_s=0.1)) as camera:
        wait_for(camera, "blind")
        wait_for(camera, "live")
    assert len(openings.times) == 2


@pytest.mark.parametrize(("release_s", "waits"), [(10.0, True), (0.2, False)])
def test_reopening_waits_at_most_release_s_for_the_abandoned_thread(release_s: float, waits: bool) -> None:
    openings = Openings(silent_after_three)  # its thread holds the camera for 1.5 s
    with camera_with(openings, Timeouts(silent_s=0.3, pause_s=0.1, release_s=release_s)) as camera:
        wait_for(camera, "blind")
        wait_for(camera, "live")
    assert (openings.times[1] - openings.times[0] > 1.5) is waits


def test_failed_camera_is_reopened_and_each_error_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    openings = Openings(fails_after_three, fails)
    with caplog.at_level(logging.WARNING), camera_with(openings) as camera:
        read_for(camera, 2.0)
        assert camera.state().status == "blind"
        assert camera.state().reopened == 0
    assert [record.message for record in caplog.records] == [
        "test:0 was unplugged; opening it again",
        "test:0 is busy: end the other program; opening it again",
    ]


def test_pauses_double_up_to_the_longest() -> None:
    openings = Openings(fails_after_three, fails)
    with camera_with(openings) as camera:
        read_for(camera, 3.0)
    pauses_s = np.diff(openings.times)[1:]  # without the first, which contains the three pictures
    assert len(pauses_s) >= 3
    for pause_s, minimum_s in zip(pauses_s, (0.2, 0.4, 0.4, 0.4), strict=False):
        assert pause_s >= minimum_s


def test_pauses_double_although_each_reopening_delivers_pictures() -> None:
    openings = Openings(fails_after_three, fails_after_three)
    with camera_with(openings) as camera:
        read_for(camera, 3.0)
    for pause_s, minimum_s in zip(np.diff(openings.times), (0.1, 0.2, 0.4, 0.4), strict=False):
        assert pause_s >= minimum_s


def test_pause_is_short_again_after_steady_pictures() -> None:
    openings = Openings(fails_after_three, fails_after_three)
    began_t = time.monotonic()
    with camera_with(openings, Timeouts(pause_s=0.1, longest_pause_s=60.0, steady_s=0.01)) as camera:
        for _ in camera:
            if len(openings.times) == 10:
                break
            assert time.monotonic() - began_t < 45  # with doubled pauses, ten openings take 51 s


def test_camera_is_reopened_at_once_when_it_is_plugged_in() -> None:
    plugged_in = True
    openings = Openings(fails_after_three)
    timeouts = Timeouts(pause_s=60.0, silent_s=0.4)
    with camera_with(openings, timeouts, is_plugged_in=lambda: plugged_in) as camera:
        wait_for(camera, "blind")
        plugged_in = False
        read_for(camera, 0.5)
        assert len(openings.times) == 1
        plugged_in = True
        plugged_in_t = time.monotonic()
        wait_for(camera, "live")
        assert time.monotonic() - plugged_in_t < 10


def test_camera_that_stays_blind_raises_camera_blind() -> None:
    timeouts = Timeouts(pause_s=0.1, longest_pause_s=0.2, blind_s=1.0)
    began_t = time.monotonic()
    openings = Openings(fails_after_three, fails)
    with (
        camera_with(openings, timeouts) as camera,
        pytest.raises(
            CameraBlind, match=r"^test:0 has delivered no picture for 1 s, although it was opened again"
        ),
    ):
        read_for(camera, 30)
    assert time.monotonic() - began_t >= 1.0


def test_failure_of_the_first_opening_raises_the_drivers_error() -> None:
    with camera_with(fails) as camera, pytest.raises(CameraError, match=r"^test:0 is busy"):
        list(camera)


def test_camera_without_a_first_picture_is_an_error_at_the_deadline() -> None:
    def silent(abandoned: threading.Event) -> Pictures:
        abandoned.wait(60)
        yield from ()

    with (
        camera_with(silent) as camera,
        pytest.raises(CameraError, match="has delivered no picture for 1 s: check its cable"),
    ):
        list(camera)


def test_exception_of_a_camera_library_becomes_a_camera_error() -> None:
    def breaks(abandoned: threading.Event) -> Pictures:
        yield from steady(abandoned, 0)
        raise RuntimeError("requests exhausted")

    with (
        camera_with(breaks) as camera,
        pytest.raises(CameraError, match=r"^test:0 failed: RuntimeError: requests ex"),
    ):
        list(camera)


def test_frozen_and_black_pictures_are_logged_once_on_each_change(caplog: pytest.LogCaptureFixture) -> None:
    dark = threading.Event()
    frozen = threading.Event()

    def make(number: int) -> Image:
        if dark.is_set():
            return np.zeros((48, 64, 3), np.uint8)
        return make_picture(0 if frozen.is_set() else number)

    with (
        caplog.at_level(logging.WARNING),
        camera_with(lambda abandoned: steady(abandoned, make=make)) as camera,
    ):
        for change, expected_status in (
            (frozen.set, "frozen"),
            (frozen.clear, "live"),
            (dark.set, "black"),
            (dark.clear, "live"),
        ):
            wait_for(camera, "live", "frozen", "black")
            change()
            wait_for(camera, expected_status)
    beginnings = ("the same picture", "good pictures again", "black pictures", "good pictures again")
    assert len(caplog.records) == len(beginnings)
    for record, beginning in zip(caplog.records, beginnings, strict=True):
        assert record.message.startswith(f"test:0 delivers {beginning}")


def test_pictures_of_another_size_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def small(number: int) -> Image:
        return make_picture(number)[:24]

    with (
        caplog.at_level(logging.WARNING),
        camera_with(lambda abandoned: steady(abandoned, make=small)) as camera,
    ):
        read_for(camera, 0.5)
    assert [record.message for record in caplog.records] == [
        "test:0 delivers pictures of 64x24 px instead of 64x48"
    ]


def test_driver_releases_its_camera_when_the_loop_ends() -> None:
    released = threading.Event()

    def releases(abandoned: threading.Event) -> Pictures:
        try:
            yield from steady(abandoned)
        finally:
            released.set()

    with camera_with(releases) as camera:
        read_for(camera, 0.2)
    assert released.wait(5)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Driver]:
    """A driver that delivers half of a video, then blocks in OpenCV's read() like a camera that hangs."""
    data = write_video(tmp_path / "video.avi").read_bytes()
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    done = threading.Event()

    def deliver() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            done.wait()

    def driver(abandoned: threading.Event) -> Pictures:
        capture = cv2.VideoCapture(str(pipe), cv2.CAP_FFMPEG)
        while True:
            ok, image = capture.read()
            if not ok:
                return
            yield np.asarray(image, np.uint8), time.monotonic()

    writer = threading.Thread(target=deliver)
    writer.start()
    yield driver
    done.set()
    writer.join()


def test_loop_ends_without_waiting_for_a_read_that_hangs(hanging: Driver) -> None:
    stop = threading.Event()
    with camera_with(hanging, Timeouts(), stop=stop) as camera:
        assert next(read_frames(camera, 1))
        empty_steps = 0
        for frame in camera:
            empty_steps += frame is None
            if empty_steps == 3:
                stop.set()
                stopped_t = time.monotonic()
    assert time.monotonic() - stopped_t < 1.0
    assert any(thread.name == "camera test:0" for thread in threading.enumerate())  # it still hangs
