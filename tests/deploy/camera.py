"""Test a live camera under the real unit: the Jetson driver with `jetson.conf`, on GStreamer's test source.

NVIDIA's two elements are not available here, so the test installs a stand-in, which is never shipped. It
shows that GStreamer runs in the unit's sandbox, and what happens when a camera stops.
"""

from pathlib import Path

from board import Board, expect, fault, until

# replaces NVIDIA's elements in the command line of a Jetson, as tests/edge/test_jetson.py does
STAND_IN, PLACE = Path(__file__).with_name("gst-launch-stand-in"), "/usr/local/bin/gst-launch-1.0"
ON = {
    "asl_edge_camera": "jetson:0",
    "asl_edge_camera_required": False,
    "asl_edge_dropins": ["jetson.conf"],
    "asl_edge_settings": {"camera": {"fps": 5, "skip_still_frames": False}, "model": {"threads": 1}},
}


def stopped_camera(board: Board) -> None:
    """Freeze GStreamer, then kill it: the service reopens the camera by itself."""
    install = f"cat > {PLACE} <<'END'\n{STAND_IN.read_text()}END\nchmod 755 {PLACE}"
    board.ask(install)
    board.play("site", variables=ON)
    status = board.ask("systemctl show -p StatusText --value asl-edge")
    expect("jetson:0 live" in status, f"the unit reads GStreamer's test picture: {status}")
    _stopped(board, "STOP", "GStreamer freezes under the service (`kill -STOP`)")
    _stopped(board, "KILL", "GStreamer is killed under the service")
    board.ask(f"rm {PLACE}")
    absent = {"asl_edge_camera": "usb:7", "asl_edge_camera_required": False, "asl_edge_ready_s": 10}
    output = " ".join(board.play("site", variables=absent, good=False).split())
    expect(
        "there is no camera /dev/video7" in output and "systemctl status asl-edge" in output,
        "an absent camera: site.yml shows the last lines of the journal and what to do",
        output,
    )
    board.play("site")


def _stopped(board: Board, signal: str, name: str) -> None:
    pid, opened = board.pid(), _reopened(board)
    expect(board.ask(f"pkill -{signal} -x gst-launch-1.0; echo $?") == "0", name)
    back_s = until(lambda: _reopened(board) > opened and board.reads(), 60)
    expect(board.pid() == pid, "the camera was reopened in the same process")
    fault(name, "the camera is reopened; the service keeps running", back_s)


def _reopened(board: Board) -> int:
    """Return how often the camera was reopened, from the status of the service."""
    status = board.ask("systemctl show -p StatusText --value asl-edge")
    return int(status.rsplit("reopened ", 1)[-1].split()[0]) if "reopened" in status else 0
