"""A live camera under the real unit: the Jetson's route with `jetson.conf`, on GStreamer's test picture.

NVIDIA's two elements are not to be had here. What stands in for them is put into the machine by the proof and
is never shipped; it shows that GStreamer runs in the unit's sandbox and what becomes of a camera that stops.
"""

from pathlib import Path

from board import Board, expect, fault, until

# as in tests/test_jetson.py: word for word what a Jetson gets, but for three names
STAND_IN, PLACE = Path(__file__).with_name("gst-launch-stand-in"), "/usr/local/bin/gst-launch-1.0"
ON = {
    "asl_edge_camera": "jetson:0",
    "asl_edge_camera_required": False,
    "asl_edge_dropins": ["jetson.conf"],
    "asl_edge_settings": {"camera": {"fps": 5, "skip_still_frames": False}, "model": {"threads": 1}},
}


def stopped_camera(board: Board) -> None:
    """GStreamer that stands still, then GStreamer that is killed: blind, and seeing again by itself."""
    put = f"cat > {PLACE} <<'END'\n{STAND_IN.read_text()}END\nchmod 755 {PLACE}"
    board.ask(put)
    board.play("site", variables=ON)
    status = board.ask("systemctl show -p StatusText --value asl-edge")
    expect("jetson:0 live" in status, f"the unit reads GStreamer's test picture: {status}")
    _stopped(board, "STOP", "GStreamer freezes (kill -STOP)")
    _stopped(board, "KILL", "GStreamer is killed")
    board.ask(f"rm {PLACE}")
    absent = {"asl_edge_camera": "usb:7", "asl_edge_camera_required": False, "asl_edge_ready_s": 10}
    told = " ".join(board.play("site", variables=absent, good=False).split())
    expect(
        "there is no camera /dev/video7" in told and "systemctl status asl-edge" in told,
        "a camera that does not answer: site.yml shows the journal's last lines and what to do",
        told,
    )
    board.play("site")


def _stopped(board: Board, signal: str, name: str) -> None:
    pid, opened = board.pid(), _reopened(board)
    expect(board.ask(f"pkill -{signal} -x gst-launch-1.0; echo $?") == "0", name)
    back_s = until(lambda: _reopened(board) > opened and board.reads(), 60)
    expect(board.pid() == pid, "the same process: the camera was opened again, not the service")
    fault(f"{name} under the service", "blind, the camera is opened again; the service runs on", back_s)


def _reopened(board: Board) -> int:
    """How often the service says that its camera was opened again."""
    status = board.ask("systemctl show -p StatusText --value asl-edge")
    return int(status.rsplit("reopened ", 1)[-1].split()[0]) if "reopened" in status else 0
