"""Supervision of live cameras: the tests' own drivers give, hang and fail; one hangs in a real read()."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
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
SHORT = Timeouts(open_s=1.0, silent_s=0.4, pause_s=0.1, longest_pause_s=0.4, blind_s=60, fault_s=0.5)
EVERY_S = 0.02


def picture(number: int) -> Image:
    """No two are the same."""
    return np.full((48, 64, 3), 50 + number % 200, np.uint8)


def steady(gone: threading.Event, n: int = 10**9, made: Callable[[int], Image] = picture) -> Pictures:
    """Gives n pictures, one each EVERY_S."""
    for number in range(n):
        yield made(number), time.monotonic()
        gone.wait(EVERY_S)


def camera_of(
    driver: Driver,
    timeouts: Timeouts = SHORT,
    stop: threading.Event | None = None,
    is_plugged_in: Callable[[], bool] = lambda: True,
) -> ReconnectingCamera:
    return ReconnectingCamera(LiveSource("test:0", driver, SIZE_PX, is_plugged_in), stop, timeouts)


def frames_for(camera: ReconnectingCamera, seconds: float) -> list[Frame]:
    end_s, frames = time.monotonic() + seconds, []
    for frame in camera:
        if frame is not None:
            frames.append(frame)
        if time.monotonic() > end_s:
            break
    return frames


def wait_for(camera: ReconnectingCamera, *statuses: str) -> None:
    end_s = time.monotonic() + 30
    for _ in camera:
        if camera.state().status in statuses:
            return
        assert time.monotonic() < end_s, f"still {camera.state()}"


class Openings:
    """A driver whose first opening goes wrong after some pictures; the later ones are as told."""

    def __init__(self, first: Driver, later: Driver = steady) -> None:
        self.at_s: list[float] = []
        self._first, self._later = first, later

    def __call__(self, gone: threading.Event) -> Pictures:
        self.at_s.append(time.monotonic())
        return (self._first if len(self.at_s) == 1 else self._later)(gone)


def silent_after_three(gone: threading.Event) -> Pictures:
    yield from steady(gone, 3)
    time.sleep(1.5)  # and does not look whether somebody still waits


def fails(gone: threading.Event) -> Pictures:
    raise CameraError("test:0 is busy: end the other program")
    yield


def fails_after_three(gone: threading.Event) -> Pictures:
    yield from steady(gone, 3)
    raise CameraError("test:0 was unplugged")


def test_every_frame_comes_once_in_order_with_its_capture_time() -> None:
    with camera_of(steady) as camera:
        assert camera.state().status == "opening"
        frames = frames_for(camera, 0.5)
        assert camera.state().status == "live"
        assert 0 <= camera.state().frame_age_s < 10
    assert len(frames) > 5
    assert [f.image[0, 0, 0] for f in frames] == [picture(f.index)[0, 0, 0] for f in frames]
    assert [f.t for f in frames] == sorted({f.t for f in frames})
    assert frames[-1].t <= time.monotonic()


def test_late_reader_gets_the_newest_frame_and_the_rest_are_counted() -> None:
    with camera_of(steady) as camera:
        given = list(camera_frames(camera, 1))
        time.sleep(0.5)
        given += camera_frames(camera, 1)
        assert given[-1].index >= 5
        assert camera.dropped == camera.state().dropped == given[-1].index + 1 - len(given)
        assert time.monotonic() - given[-1].t < 0.4  # not one from before the pause


def camera_frames(camera: ReconnectingCamera, n: int) -> Iterator[Frame]:
    for frame in camera:
        if frame is not None:
            yield frame
            n -= 1
        if n == 0:
            return


def test_silent_camera_is_opened_again_while_the_loop_turns(caplog: pytest.LogCaptureFixture) -> None:
    openings = Openings(silent_after_three)
    steps_s, indices = [time.monotonic()], []
    with caplog.at_level(logging.WARNING), camera_of(openings) as camera:
        for frame in camera:
            steps_s.append(time.monotonic())
            if frame is not None:
                indices.append(frame.index)
                if frame.index > 4:
                    break
        state = camera.state()
    assert (state.status, state.reopened) == ("live", 1)
    assert max(np.diff(steps_s)) < 0.5
    assert indices == sorted(set(indices))  # numbered on over the gap
    assert "test:0 has delivered no picture for 0.4 s" in caplog.records[0].message
    assert "test:0 delivers pictures again after" in caplog.records[1].message


def test_stalled_camera_that_wakes_is_seen_by_who_waits_for_it() -> None:
    def wakes(gone: threading.Event) -> Pictures:
        time.sleep(1.0)  # longer than a camera that worked may be silent
        yield from steady(gone)

    openings = Openings(silent_after_three, wakes)
    with camera_of(openings, Timeouts(open_s=10.0, silent_s=0.3, pause_s=0.1)) as camera:
        wait_for(camera, "blind")
        wait_for(camera, "live")
    assert len(openings.at_s) == 2


def test_one_that_still_holds_the_camera_is_waited_for_some_time() -> None:
    openings = Openings(silent_after_three)  # its thread comes back after 1.5 s
    with camera_of(openings, Timeouts(silent_s=0.3, pause_s=0.1, release_s=10.0)) as camera:
        wait_for(camera, "blind")
        wait_for(camera, "live")
    assert openings.at_s[1] - openings.at_s[0] > 1.5
    openings = Openings(silent_after_three)
    with camera_of(openings, Timeouts(silent_s=0.3, pause_s=0.1, release_s=0.2)) as camera:
        wait_for(camera, "blind")
        wait_for(camera, "live")
    assert openings.at_s[1] - openings.at_s[0] < 1.5


def test_failed_camera_is_opened_again_and_its_error_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    openings = Openings(fails_after_three, fails)
    with caplog.at_level(logging.WARNING), camera_of(openings) as camera:
        frames_for(camera, 2.0)
        assert camera.state().status == "blind"
        assert camera.state().reopened == 0
    assert [record.message for record in caplog.records] == [
        "test:0 was unplugged; opening it again",
        "test:0 is busy: end the other program; opening it again",
    ]


def test_pauses_grow_up_to_the_longest() -> None:
    openings = Openings(fails_after_three, fails)
    with camera_of(openings) as camera:
        frames_for(camera, 3.0)
    pauses_s = np.diff(openings.at_s)[1:]  # the first is the three pictures and a pause of 0.1 s
    assert len(pauses_s) >= 3
    for pause_s, at_least_s in zip(pauses_s, (0.2, 0.4, 0.4, 0.4), strict=False):
        assert pause_s >= at_least_s


def test_camera_that_comes_and_goes_pauses_longer_each_time() -> None:
    openings = Openings(fails_after_three, fails_after_three)
    with camera_of(openings) as camera:
        frames_for(camera, 3.0)
    for pause_s, at_least_s in zip(np.diff(openings.at_s), (0.1, 0.2, 0.4, 0.4), strict=False):
        assert pause_s >= at_least_s


def test_camera_that_was_steady_for_a_while_begins_with_a_short_pause_again() -> None:
    openings = Openings(fails_after_three, fails_after_three)
    began_s = time.monotonic()
    with camera_of(openings, Timeouts(pause_s=0.1, longest_pause_s=60.0, steady_s=0.01)) as camera:
        for _ in camera:
            if len(openings.at_s) == 10:
                break
            assert time.monotonic() - began_s < 45  # doubled each time, ten openings would take 51 s


def test_plugged_in_again_is_opened_at_once() -> None:
    plugged_in = True
    openings = Openings(fails_after_three)
    patience = Timeouts(pause_s=60.0, silent_s=0.4)
    with camera_of(openings, patience, is_plugged_in=lambda: plugged_in) as camera:
        wait_for(camera, "blind")
        plugged_in = False
        frames_for(camera, 0.5)
        assert len(openings.at_s) == 1
        plugged_in = True
        back_s = time.monotonic()
        wait_for(camera, "live")
        assert time.monotonic() - back_s < 10


def test_blind_for_long_ends_with_its_own_error() -> None:
    patience = Timeouts(pause_s=0.1, longest_pause_s=0.2, blind_s=1.0)
    began_s = time.monotonic()
    openings = Openings(fails_after_three, fails)
    with (
        camera_of(openings, patience) as camera,
        pytest.raises(
            CameraBlind, match=r"^test:0 has delivered no picture for 1 s, although it was opened again"
        ),
    ):
        frames_for(camera, 30)
    assert time.monotonic() - began_s >= 1.0


def test_camera_that_can_not_be_opened_at_first_is_its_own_error() -> None:
    with camera_of(fails) as camera, pytest.raises(CameraError, match=r"^test:0 is busy"):
        list(camera)


def test_camera_that_delivers_nothing_at_first_is_an_error_at_the_deadline() -> None:
    def silent(gone: threading.Event) -> Pictures:
        gone.wait(60)
        yield from ()

    with (
        camera_of(silent) as camera,
        pytest.raises(CameraError, match="has delivered no picture for 1 s: check its cable"),
    ):
        list(camera)


def test_error_of_a_library_is_one_sentence() -> None:
    def breaks(gone: threading.Event) -> Pictures:
        yield from steady(gone, 0)
        raise RuntimeError("requests exhausted")

    with (
        camera_of(breaks) as camera,
        pytest.raises(CameraError, match=r"^test:0 failed: RuntimeError: requests ex"),
    ):
        list(camera)


def test_frozen_and_black_pictures_are_logged_once_on_each_change(caplog: pytest.LogCaptureFixture) -> None:
    dark = threading.Event()
    still = threading.Event()

    def made(number: int) -> Image:
        return np.zeros((48, 64, 3), np.uint8) if dark.is_set() else picture(0 if still.is_set() else number)

    with caplog.at_level(logging.WARNING), camera_of(lambda gone: steady(gone, made=made)) as camera:
        for change, what in (
            (still.set, "frozen"),
            (still.clear, "live"),
            (dark.set, "black"),
            (dark.clear, "live"),
        ):
            wait_for(camera, "live", "frozen", "black")
            change()
            wait_for(camera, what)
    says = [record.message for record in caplog.records]
    assert [say.split(":")[1].split(" ", 1)[1][:17] for say in says] == [
        "delivers the same",
        "delivers good pic",
        "delivers black pi",
        "delivers good pic",
    ]


def test_pictures_of_another_size_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def small(number: int) -> Image:
        return picture(number)[:24]

    with caplog.at_level(logging.WARNING), camera_of(lambda gone: steady(gone, made=small)) as camera:
        frames_for(camera, 0.5)
    assert [record.message for record in caplog.records] == [
        "test:0 delivers pictures of 64x24 px instead of 64x48"
    ]


def test_driver_releases_its_camera_when_the_loop_ends() -> None:
    released = threading.Event()

    def careful(gone: threading.Event) -> Pictures:
        try:
            yield from steady(gone)
        finally:
            released.set()

    with camera_of(careful) as camera:
        frames_for(camera, 0.2)
    assert released.wait(5)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Driver]:
    """Gives about half of a video and then blocks in OpenCV's read(), as it does for a camera that hangs."""
    data = write_video(tmp_path / "whole.avi").read_bytes()
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    done = threading.Event()

    def deliver() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            done.wait()

    def driver(gone: threading.Event) -> Pictures:
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


def test_loop_and_end_do_not_wait_for_a_read_that_hangs(hanging: Driver) -> None:
    stop = threading.Event()
    with camera_of(hanging, Timeouts(), stop=stop) as camera:
        assert next(camera_frames(camera, 1))
        turns = 0
        for frame in camera:
            turns += frame is None
            if turns == 3:  # it hangs
                stop.set()
                told_s = time.monotonic()
    assert time.monotonic() - told_s < 1.0
    assert any(thread.name == "camera test:0" for thread in threading.enumerate())  # it still hangs
