"""The Jetson's driver with the real GStreamer, and videotestsrc in the place of nvarguscamerasrc."""

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
BARS = "videotestsrc is-live=true pattern=smpte ! videoconvert"  # its corner of noise changes in each frame
TIMEOUTS = Timeouts(open_s=60.0)  # GStreamer may start slowly on a busy machine


def camera_with(elements: str, orientation: Orientation = AS_MOUNTED) -> ReconnectingCamera:
    driver = gstreamer_driver("test:0", elements, SIZE_PX, orientation)
    return ReconnectingCamera(LiveSource("test:0", driver, SIZE_PX, close_s=5.0), timeouts=TIMEOUTS)


def next_frame(camera: ReconnectingCamera) -> Frame:
    return next(frame for frame in camera if frame is not None)


def find_children() -> list[int]:
    """Return the process IDs of the running gst-launch-1.0 that this process started."""
    tasks = Path("/proc/self/task").iterdir()
    pids = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
    return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().startswith("gst-launch")]


def becomes_true(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    end_t = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_t:
            return False
        time.sleep(0.02)
    return True


@needs_gstreamer
@pytest.mark.parametrize(
    ("pattern", "rgb"), [("red", [255, 0, 0]), ("blue", [0, 0, 255]), ("white", [255] * 3)]
)
def test_frames_are_rgb(pattern: str, rgb: list[int]) -> None:
    with camera_with(f"videotestsrc is-live=true pattern={pattern} ! videoconvert") as camera:
        frame = next_frame(camera)
    assert frame.image.shape == (SIZE_PX[1], SIZE_PX[0], 3)
    assert (frame.image == rgb).all()


@needs_gstreamer
def test_rotation_by_90_degrees_is_done_in_software() -> None:
    # bars from the left: white, yellow, cyan, ...; after a clockwise rotation, white is at the top
    with camera_with(BARS, Orientation(rotation_deg=90)) as camera:
        image = next_frame(camera).image
    assert image.shape == (SIZE_PX[0], SIZE_PX[1], 3)
    assert image[10, -10].tolist() == [255, 255, 255]
    assert image[100, -10].tolist() == [255, 255, 0]


@needs_gstreamer
def test_late_reader_gets_the_newest_frame() -> None:
    with camera_with(BARS) as camera:
        next_frame(camera)
        time.sleep(1.0)
        frame = next_frame(camera)
        assert time.monotonic() - frame.t < 0.5
    assert frame.index > 10
    assert camera.dropped == frame.index - 1


@needs_gstreamer
def test_killed_child_is_started_again() -> None:
    with camera_with(BARS) as camera:
        next_frame(camera)
        os.kill(find_children()[0], signal.SIGKILL)
        killed_t = time.monotonic()
        next(frame for frame in camera if frame is None)
        frame = next(frame for frame in camera if frame is not None and camera.state().reopened == 1)
        assert frame.t > killed_t
        print(f"GStreamer killed: a picture {frame.t - killed_t:.1f} s later")
        assert len(find_children()) == 1
    assert find_children() == []


@needs_gstreamer
def test_stopped_child_is_killed_and_replaced() -> None:
    with camera_with(BARS) as camera:
        next_frame(camera)
        stopped = find_children()[0]
        os.kill(stopped, signal.SIGSTOP)
        step_times = [time.monotonic()]
        for frame in camera:
            step_times.append(time.monotonic())
            if frame is not None and camera.state().reopened == 1:
                break
        print(f"GStreamer stopped: a picture {step_times[-1] - step_times[0]:.1f} s later")
        assert max(b - a for a, b in pairwise(step_times)) < 1.0
        assert becomes_true(lambda: stopped not in find_children())
    assert find_children() == []


@needs_gstreamer
def test_truncated_frame_is_an_error() -> None:
    pictures = gstreamer_driver("test:0", BARS, SIZE_PX)(threading.Event())
    next(pictures)  # from now on nobody reads: the child fills the pipe with a part of the next frame
    time.sleep(1.0)
    os.kill(find_children()[0], signal.SIGKILL)
    with pytest.raises(
        CameraError, match=r"in the middle of a picture \(\d+ of 921600 bytes\): it printed no error"
    ):
        list(pictures)


@needs_gstreamer
def test_child_shuts_its_pipeline_down_when_the_camera_closes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GST_DEBUG", "GST_STATES:4")
    monkeypatch.setenv("GST_DEBUG_FILE", str(tmp_path / "log"))
    with camera_with(BARS) as camera:
        next_frame(camera)
    log = (tmp_path / "log").read_text()
    assert "completed state change to PLAYING" in log
    assert log.count("completed state change to NULL") >= 3  # source, converter and sink


@needs_gstreamer
def test_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "from edge.cameras.jetson import gstreamer_driver; import threading, time\n"
        f"pictures = gstreamer_driver('test:0', {BARS!r}, (640, 360))(threading.Event()); next(pictures)\n"
        "print(open('/proc/thread-self/children').read(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    status = Path(f"/proc/{child}/stat")  # Z: a zombie
    assert becomes_true(lambda: not status.exists() or " Z " in status.read_text())


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (
            "Error generated. gstnvarguscamerasrc.cpp, execute:751 No cameras available",
            "No cameras available (no sensor answers: switch the board off and check the ribbon cable",
        ),
        ("nvbuf_utils: dmabuf_fd -1 mapped entry NOT found", "mapped entry NOT found (on a Jetson try"),
        ("", "it printed no error (on a Jetson try"),
    ],
)
def test_last_words_of_a_child_that_ends_well_are_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, expected: str
) -> None:
    program = tmp_path / "gst-launch-1.0"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with open_camera("jetson") as camera, pytest.raises(CameraError) as caught:
        list(camera)
    assert expected in str(caught.value)
    assert ("nvargus-daemon" in str(caught.value)) == ("No cameras" not in says)


@needs_gstreamer
def test_error_for_a_missing_element_quotes_gstreamer() -> None:
    with (
        camera_with("nosuchsrc ! videoconvert") as camera,
        pytest.raises(CameraError, match='no element "nosuchsrc"'),
    ):
        next_frame(camera)


@needs_gstreamer
def test_error_for_a_missing_source_quotes_gstreamer() -> None:
    with (
        camera_with("filesrc location=/nonexistent ! rawvideoparse") as camera,
        pytest.raises(CameraError, match=r"ERROR: from element .*filesrc.*: Resource not found"),
    ):
        next_frame(camera)


def test_error_for_missing_gstreamer_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_flips_are_done_by_the_hardware(orientation: Orientation, method: int) -> None:
    assert f"nvvidconv flip-method={method}" in argus_elements(1, 30.0, orientation)


@needs_gstreamer
def test_jetson_pipeline_runs_with_substitutes_for_nvidias_elements(tmp_path: Path) -> None:
    """The pipeline is that of a Jetson, except for NVIDIA's two elements and its memory type."""
    shim = tmp_path / "gst-launch-1.0"
    shim.write_text(
        "#!/usr/bin/env python3\n"
        "import os, sys\n"
        "subs = {'nvarguscamerasrc': ['videotestsrc', 'is-live=true', 'pattern=smpte'], 'sensor-id=0': [],\n"
        "        'nvvidconv': ['videoconvert', '!', 'videoscale'], 'flip-method=0': []}\n"
        "words = [w for word in sys.argv for w in subs.get(word, [word.replace('(memory:NVMM)', '')])]\n"
        f"os.execv({shutil.which('gst-launch-1.0')!r}, words)\n"
    )
    shim.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "edge", "doctor", "--camera", "jetson", "--fps", "10"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "jetson:0: live" in done.stdout
    assert "640x360 px" in done.stdout
