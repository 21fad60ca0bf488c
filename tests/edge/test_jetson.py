"""The real GStreamer with videotestsrc instead of nvarguscamerasrc: killed, stopped, truncated, orphaned."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from edge.cameras import open_camera
from edge.cameras.driver import LiveSource
from edge.cameras.jetson import SIZE_PX, argus_elements, gstreamer_driver
from edge.cameras.orientation import AS_MOUNTED, Orientation
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError
from edge.records import Frame

needs_gstreamer = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None,
    reason="gst-launch-1.0 is not installed: apt install gstreamer1.0-tools gstreamer1.0-plugins-base",
)
SNOW = "videotestsrc is-live=true pattern=smpte ! videoconvert"  # with a corner of noise, as a camera has
TIMEOUTS = Timeouts(open_s=60.0)  # a busy machine may take long to start GStreamer


def piped(
    elements: str, size_px: tuple[int, int] = SIZE_PX, orientation: Orientation = AS_MOUNTED
) -> ReconnectingCamera:
    driver = gstreamer_driver("test:0", elements, size_px, orientation)
    return ReconnectingCamera(LiveSource("test:0", driver, size_px, close_s=5.0), timeouts=TIMEOUTS)


def next_frame(camera: ReconnectingCamera) -> Frame:
    return next(frame for frame in camera if frame is not None)


def children() -> list[int]:
    """Every gst-launch-1.0 that this process started and that still lives."""
    tasks = Path("/proc/self/task").iterdir()
    pids = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
    return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().startswith("gst-launch")]


def soon(true: Callable[[], bool], within_s: float = 20.0) -> bool:
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@needs_gstreamer
@pytest.mark.parametrize(
    ("pattern", "rgb"), [("red", [255, 0, 0]), ("blue", [0, 0, 255]), ("white", [255] * 3)]
)
def test_colours_come_out_as_rgb(pattern: str, rgb: list[int]) -> None:
    with piped(f"videotestsrc is-live=true pattern={pattern} ! videoconvert") as camera:
        frame = next_frame(camera)
    assert frame.image.shape == (SIZE_PX[1], SIZE_PX[0], 3)
    assert (
        frame.image.reshape(-1, 3).max(axis=0).tolist()
        == frame.image.reshape(-1, 3).min(axis=0).tolist()
        == rgb
    )


@needs_gstreamer
def test_quarter_turn_is_done_after_the_pipe() -> None:
    # from the left: white, yellow, cyan, ... and after a clockwise turn the first bar lies on top
    with piped(
        "videotestsrc is-live=true pattern=smpte ! videoconvert", orientation=Orientation(rotation_deg=90)
    ) as camera:
        image = next_frame(camera).image
    assert image.shape == (SIZE_PX[0], SIZE_PX[1], 3)
    assert image[10, -10].tolist() == [255, 255, 255]
    assert image[100, -10].tolist() == [255, 255, 0]


@needs_gstreamer
def test_late_reader_gets_the_newest_frame() -> None:
    with piped(SNOW) as camera:
        next_frame(camera)
        time.sleep(1.0)
        frame = next_frame(camera)
        assert time.monotonic() - frame.t < 0.5
    assert frame.index > 10
    assert camera.dropped == frame.index - 1


@needs_gstreamer
def test_killed_child_is_started_again() -> None:
    with piped(SNOW) as camera:
        next_frame(camera)
        os.kill(children()[0], signal.SIGKILL)
        killed_s = time.monotonic()
        next(frame for frame in camera if frame is None)
        frame = next(frame for frame in camera if frame is not None and camera.state().reopened == 1)
        assert frame.t > killed_s
        print(f"GStreamer killed: a picture {frame.t - killed_s:.1f} s later")
        assert len(children()) == 1
    assert children() == []


@needs_gstreamer
def test_stopped_child_is_left_killed_and_replaced() -> None:
    with piped(SNOW) as camera:
        next_frame(camera)
        stuck = children()[0]
        os.kill(stuck, signal.SIGSTOP)
        turns_s = [time.monotonic()]
        stopped_s = turns_s[0]
        for frame in camera:
            turns_s.append(time.monotonic())
            if frame is not None and camera.state().reopened == 1:
                break
        print(f"GStreamer stopped: a picture {time.monotonic() - stopped_s:.1f} s later")
        assert max(b - a for a, b in pairwise(turns_s)) < 1.0
        assert soon(lambda: stuck not in children())
    assert children() == []


@needs_gstreamer
def test_picture_that_is_cut_off_is_an_error_and_no_picture() -> None:
    pictures = gstreamer_driver("test:0", SNOW, SIZE_PX)(threading.Event())
    next(pictures)  # and then nobody reads: the child fills the pipe with the next one's beginning, and waits
    time.sleep(1.0)
    os.kill(children()[0], signal.SIGKILL)
    with pytest.raises(
        CameraError, match=r"in the middle of a picture \(\d+ of 921600 bytes\): it said nothing"
    ):
        list(pictures)


@needs_gstreamer
def test_child_is_asked_to_end_and_ends_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GST_DEBUG", "GST_STATES:4")
    monkeypatch.setenv("GST_DEBUG_FILE", str(tmp_path / "log"))
    with piped(SNOW) as camera:
        next_frame(camera)
    log = (tmp_path / "log").read_text()
    assert "completed state change to PLAYING" in log
    assert log.count("completed state change to NULL") >= 3  # source, converter, sink: all put away


@needs_gstreamer
def test_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "from edge.cameras.jetson import gstreamer_driver; import threading, time\n"
        f"pictures = gstreamer_driver('test:0', {SNOW!r}, (640, 360))(threading.Event()); next(pictures)\n"
        "print(open('/proc/thread-self/children').read(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert soon(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())


@needs_gstreamer
def test_gstreamer_s_own_words_are_in_the_error() -> None:
    with (
        piped("nosuchsrc ! videoconvert") as camera,
        pytest.raises(CameraError, match='no element "nosuchsrc"'),
    ):
        next_frame(camera)


@needs_gstreamer
def test_camera_that_gives_too_little_says_what_gstreamer_said() -> None:
    with (
        piped("filesrc location=/nonexistent ! rawvideoparse") as camera,
        pytest.raises(CameraError, match=r"ERROR: from element .*filesrc.*: Resource not found"),
    ):
        next_frame(camera)


def test_missing_gstreamer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with (
        open_camera("jetson") as camera,
        pytest.raises(CameraError, match=r"sudo apt install gstreamer1.0-tools$"),
    ):
        list(camera)


@pytest.mark.parametrize(
    ("orientation", "method"),
    [
        (AS_MOUNTED, 0),
        (Orientation(rotation_deg=180), 2),
        (Orientation(mirror=True), 4),
        (Orientation(True, 180), 6),
        (Orientation(True, 90), 6),
    ],
    ids=str,
)
def test_flips_are_left_to_the_hardware(orientation: Orientation, method: int) -> None:
    assert f"nvvidconv flip-method={method}" in argus_elements(1, 30.0, orientation)


@needs_gstreamer
def test_pipeline_of_a_jetson_runs_with_three_names_exchanged(tmp_path: Path) -> None:
    """What the Jetson gets, word for word, but for NVIDIA's two elements and its memory."""
    shim = tmp_path / "gst-launch-1.0"
    shim.write_text(
        "#!/usr/bin/env python3\n"
        "import os, sys\n"
        "plain = {'nvarguscamerasrc': ['videotestsrc', 'is-live=true', 'pattern=smpte'], 'sensor-id=0': [],\n"
        "         'nvvidconv': ['videoconvert', '!', 'videoscale'], 'flip-method=0': []}\n"
        "words = [w for word in sys.argv for w in plain.get(word, [word.replace('(memory:NVMM)', '')])]\n"
        f"os.execv({shutil.which('gst-launch-1.0')!r}, words)\n"
    )
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "edge", "doctor", "--camera", "jetson", "--fps", "10"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "jetson:0: live" in done.stdout
    assert "640x360 px" in done.stdout
