"""Recordings as cameras: folders of pictures and video files, intact, unreadable and truncated."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from support.command_line import asl_edge, read_refusal
from support.made_pictures import save, scene
from support.videos import FPS, N_FRAMES, write_video

from edge.cameras import open_camera
from edge.cameras.replay import open_replay
from edge.errors import CameraError


def test_folder_is_replayed_in_name_order_at_its_frame_rate(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.bmp"):
        save(tmp_path / name, scene(ord(name[0])))
    (tmp_path / "notes.txt").write_text("no picture")
    with open_camera(f"replay:{tmp_path}", fps=4.0) as camera:
        frames = list(camera)
    assert [(frame.index, frame.t) for frame in frames] == [(0, 0.0), (1, 0.25), (2, 0.5)]
    for frame, name in zip(frames, "abc", strict=True):
        assert np.array_equal(frame.image, scene(ord(name)))


def test_unreadable_picture_is_logged_counted_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path / "a.png", scene(1))
    (tmp_path / "b.png").write_bytes(b"")
    save(tmp_path / "c.png", scene(2))
    with open_replay(tmp_path, 10.0) as camera:
        assert [frame.index for frame in camera] == [0, 2]
        assert camera.dropped == 1
    assert "b.png: the file is empty" in caplog.text


def test_folder_with_only_unreadable_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with open_replay(tmp_path) as camera, pytest.raises(CameraError, match="none of the 1 pictures in"):
        list(camera)


def test_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(CameraError, match="holds no pictures to replay"):
        open_replay(tmp_path)


def test_absent_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="there is no folder or video"):
        open_replay(tmp_path / "absent.mp4")


@pytest.mark.parametrize(("name", "codec"), [("v.avi", "MJPG"), ("v.mp4", "mp4v"), ("v.mkv", "mp4v")])
def test_video_yields_every_frame_in_rgb_with_the_times_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, codec: str
) -> None:
    with open_replay(write_video(tmp_path / name, codec), fps=99.0) as camera:
        frames = list(camera)
    assert [frame.index for frame in frames] == list(range(N_FRAMES))
    assert np.allclose([frame.t for frame in frames], np.arange(N_FRAMES) / FPS, atol=0.002)
    reds = [float(frame.image[..., 0].mean()) for frame in frames]
    assert reds == sorted(reds)
    assert reds[-1] > reds[0] + 100
    assert frames[-1].image[..., 2].mean() < 60
    assert caplog.text == ""


def test_truncated_video_ends_early_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = write_video(tmp_path / "v.avi").read_bytes()
    truncated = tmp_path / "truncated.avi"
    truncated.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING), open_replay(truncated) as camera:
        n_frames = len(list(camera))
    assert 0 < n_frames < N_FRAMES
    assert f"truncated.avi ended after {n_frames / FPS:.1f} s: it is truncated" in caplog.text


@pytest.mark.parametrize("kept_fraction", [0.0, 0.5])  # the index of an MP4 is at its end
def test_video_without_a_readable_frame_is_refused(tmp_path: Path, kept_fraction: float) -> None:
    video = write_video(tmp_path / "v.mp4", "mp4v")
    data = video.read_bytes()
    video.write_bytes(data[: int(len(data) * kept_fraction)])
    with pytest.raises(CameraError, match=r"OpenCV can't read .*v\.mp4 as a video|v\.mp4 is empty"):
        open_replay(video)


def test_file_name_that_looks_like_a_url_is_opened_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "v.avi").rename(tmp_path / "http:v.avi")
    monkeypatch.chdir(tmp_path)
    with open_camera("replay:http:v.avi") as camera:
        assert len(list(camera)) == N_FRAMES


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile {video}\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlist_opens_no_other_file(tmp_path: Path, tiny_folder: Path, name: str) -> None:
    other = write_video(tmp_path / "other.ts", "mp4v")
    (tmp_path / name).write_text(PLAYLISTS[name].format(video=other.name))
    done = asl_edge("run", "--model", tiny_folder, "--camera", f"replay:{tmp_path / name}")
    assert f"OpenCV can't read {tmp_path / name} as a video" in read_refusal(done)


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.mp4")
    with pytest.raises(CameraError, match=r"v\.mp4 is a named pipe or a device: replay takes a folder or"):
        open_camera(f"replay:{tmp_path / 'v.mp4'}")


def test_name_too_long_for_a_file_is_an_absent_recording() -> None:
    with pytest.raises(CameraError, match=r"there is no folder or video a+…a+ to replay"):
        open_camera("replay:" + "a" * 5000)


@pytest.mark.parametrize(
    "name", ["", "usb", "usb:", "replay:", "synthetic:", "webcam:0", "0", "pi:1000", "jetson:5000"]
)
def test_error_for_an_unknown_camera_lists_the_choices(name: str) -> None:
    with pytest.raises(CameraError, match=f"there is no camera '{name}': it must be auto, pi, "):
        open_camera(name)
