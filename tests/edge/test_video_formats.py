"""Videos of other programs, made by ffmpeg: a video is called truncated only if it is."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.command_line import asl_edge, read_refusal

from edge.cameras.replay import open_replay

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg (apt install ffmpeg)")

SOURCE = ["-f", "lavfi", "-i", "testsrc=duration=4:size=160x120:rate=30"]
VARIABLE = [
    "-vf",
    "select='not(mod(n,3))+lt(n,40)'",
    "-fps_mode",
    "vfr",
]  # 30 frames a second, then 10
H264 = ["-c:v", "libx264"]


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL
    )


def replay(path: Path) -> list[float]:
    """Return the times of a video's frames."""
    with open_replay(path) as camera:
        return [frame.t for frame in camera]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.mp4", [*VARIABLE, *H264]),
        ("v.mkv", [*VARIABLE, *H264]),
        ("v.webm", [*VARIABLE, "-c:v", "libvpx"]),
        ("v.avi", ["-c:v", "mpeg4"]),
        ("v.mov", H264),
        ("fragments.mp4", [*H264, "-g", "15", "-movflags", "frag_keyframe+empty_moov"]),
        ("v.ogv", ["-c:v", "libtheora"]),
        ("v.ts", [*H264, "-f", "mpegts"]),
        ("sound.mp4", ["-f", "lavfi", "-i", "sine=duration=6", *H264]),
    ],
)
def test_whole_video_is_not_called_truncated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, options: list[str]
) -> None:
    sound = options[:4] if "sine=duration=6" in options else []
    ffmpeg(*SOURCE, *sound, *options[len(sound) :], tmp_path / name)
    times = replay(tmp_path / name)
    assert caplog.text == ""
    assert 3.7 < times[-1] < 4.0


def test_theora_with_repeated_frames_is_not_called_truncated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ffmpeg(*SOURCE, *VARIABLE, *H264, tmp_path / "v.mp4")
    video = tmp_path / "v.ogv"  # a frame that repeats another has no bytes
    ffmpeg("-i", tmp_path / "v.mp4", "-c:v", "libtheora", "-fps_mode", "cfr", "-r", "30", video)
    assert len(replay(video)) > 40
    assert caplog.text == ""


def test_trimmed_video_is_not_called_truncated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ffmpeg(*SOURCE, "-g", "300", *H264, tmp_path / "whole.mp4")
    ffmpeg("-ss", "2.3", "-i", tmp_path / "whole.mp4", "-c", "copy", tmp_path / "trimmed.mp4")
    assert replay(tmp_path / "trimmed.mp4")[-1] == pytest.approx(1.67, abs=0.1)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("v.mp4", [*H264, "-movflags", "faststart"]),
        ("v.webm", ["-c:v", "libvpx"]),
        ("v.mkv", H264),
        ("v.avi", ["-c:v", "mpeg4"]),
        ("v.ogv", ["-c:v", "libtheora"]),
    ],
)
def test_video_that_was_cut_off_is_called_truncated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, options: list[str]
) -> None:
    video = tmp_path / name
    ffmpeg(*SOURCE, *options, video)
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    times = replay(video)
    assert 0.3 < times[-1] < 3.5
    assert f"{name} ended after {times[-1] + 1 / 30:.1f} s: it is truncated" in caplog.text


def test_av1_is_named_with_what_to_do(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=duration=0.2:size=160x120:rate=30"]
    ffmpeg(*source, "-c:v", "libaom-av1", "-cpu-used", "8", tmp_path / "v.mp4")
    line = read_refusal(asl_edge("run", "--camera", f"replay:{tmp_path / 'v.mp4'}"))
    assert "is AV1, which OpenCV can't decode: convert it" in line
