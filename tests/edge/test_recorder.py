"""`run --record FILE`: a video of the annotated pictures that can be played, however the program ends."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.command_line import asl_edge, read_refusal, start_asl_edge
from support.made_pictures import save, scene

from edge.errors import SettingsError
from edge.observe.recorder import Recorder, recording
from edge.records import CameraState, Frame, LoopStep

WAIT_S = 60.0
LIVE = CameraState("usb:0", "live", 0, 0.0, 0)


def read_video(path: Path) -> list[tuple[int, ...]]:
    """Return the shape of each frame that a player finds."""
    capture, shapes = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (frame := capture.read())[0]:
        shapes.append(frame[1].shape)
    return shapes


def noise(number: int, size: tuple[int, int] = (240, 320)) -> LoopStep:
    """Return a step with a picture that can't be packed small."""
    image = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    return LoopStep(LIVE, Frame(image, number / 15, number))


def test_video_has_the_recordings_length_and_is_for_its_owner_alone(
    tiny_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(30):
        save(tmp_path / f"in/{number:02}.png", scene(number))
    video = tmp_path / "out.mkv"
    camera = f"replay:{tmp_path / 'in'}"
    done = asl_edge("run", "--model", tiny_folder, "--camera", camera, "--fps", "10", "--record", video)
    assert done.returncode == 0
    assert f"the annotated pictures of the camera are recorded in {video}, at most 1000 MB" in done.stderr
    assert 43 <= len(read_video(video)) <= 45  # three seconds
    assert video.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.mkv"]


def test_nothing_is_recorded_unless_it_is_asked_for(tiny_folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "1.png", scene(1))
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{tmp_path}", cwd=tmp_path)
    assert "recorded" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png"]


def test_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    video = tmp_path / "out.mkv"
    video.write_bytes(b"mine")
    assert "exists: name a new file" in read_refusal(asl_edge("run", "--record", video))
    assert video.read_bytes() == b"mine"
    assert "must name a file that ends in .mkv" in read_refusal(asl_edge("run", "--record", "out.mp4"))
    assert "no such file" in read_refusal(asl_edge("run", "--record", tmp_path / "none/out.mkv"))
    (tmp_path / "loop").symlink_to("loop")
    assert "can't be written" in read_refusal(asl_edge("run", "--record", tmp_path / "loop/out.mkv"))


def test_run_without_a_camera_leaves_no_file(tmp_path: Path) -> None:
    done = asl_edge("run", "--camera", "usb:99", "--record", tmp_path / "out.mkv")
    assert done.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == []


@pytest.mark.slow
def test_video_of_a_killed_program_can_be_played(tiny_folder: Path, tmp_path: Path) -> None:
    video = tmp_path / "out.mkv"
    camera = ["--camera", "synthetic:HELLO", "--no-skip-still-frames"]
    with start_asl_edge("run", "--model", tiny_folder, *camera, "--record", video) as program:
        end_t = time.monotonic() + WAIT_S
        while not video.exists():
            assert time.monotonic() < end_t
            time.sleep(0.1)
        program.send_signal(signal.SIGKILL)
        program.communicate()
    assert len(read_video(video)) > 10


def test_recording_ends_at_its_largest_size_and_can_be_played(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = tmp_path / "out.mkv"
    record(Recorder(video, tmp_path / "partial.mkv", max_bytes=1_000_000), 300)
    assert "it has reached 1 MB; the recording has ended" in caplog.text
    assert 900_000 < video.stat().st_size < 3_000_000
    assert len(read_video(video)) > 10


def test_recording_ends_before_the_disk_is_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = tmp_path / "out.mkv"
    record(Recorder(video, tmp_path / "partial.mkv", min_free_bytes=10**18), 60)
    assert "are free on the disk; the recording has ended" in caplog.text
    assert len(read_video(video)) > 10


def record(recorder: Recorder, count: int) -> None:
    for number in range(count):
        recorder.observe(noise(number))
        time.sleep(0.005)
    recorder.close()


def test_pictures_of_another_size_get_black_bars(tmp_path: Path) -> None:
    video = tmp_path / "out.mkv"
    with recording(video) as recorder:
        for number in range(20):
            recorder.observe(noise(number, (240, 320) if number < 10 else (320, 240)))
            time.sleep(0.05)
    shapes = read_video(video)
    assert set(shapes) == {(240, 320, 3)}
    capture = cv2.VideoCapture(str(video))
    frames = [capture.read()[1] for _ in shapes]
    assert frames[-1][:, :50].max() < 60  # a bar
    assert frames[0][:, :50].max() > 200


def test_loop_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    with recording(tmp_path / "out.mkv") as recorder:
        watched = threading.Thread(target=lambda: [recorder.observe(noise(n)) for n in range(500)])
        watched.start()
        watched.join(WAIT_S)
        assert not watched.is_alive()


def test_second_recording_of_the_same_file_is_refused_and_the_first_stays_whole(tmp_path: Path) -> None:
    with recording(tmp_path / "out.mkv") as recorder:
        with pytest.raises(SettingsError, match="is being recorded by another program"):
            recording(tmp_path / "out.mkv").__enter__()
        record(recorder, 5)
    assert len(read_video(tmp_path / "out.mkv")) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a small disk")
def test_recording_on_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], check=True)
    try:
        line = read_refusal(asl_edge("run", "--record", tmp_path / "out.mkv"))
        assert "less than 100 MB are free on its disk: make room" in line
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a small disk")
def test_video_on_a_disk_that_is_full_can_be_played(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=True)
    try:
        record(Recorder(disk / "out.mkv", disk / "partial.mkv", min_free_bytes=-1), 100)
        assert len(read_video(disk / "out.mkv")) > 5
        assert [path.name for path in disk.iterdir()] == ["out.mkv"]
    finally:
        subprocess.run(["umount", disk], check=True)
