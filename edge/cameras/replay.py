"""A folder of pictures or a video file as a camera. Every frame is delivered, as fast as it is read.

Times begin at 0. They follow from `fps` for a folder, and from the file for a video.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge import MAX_PICTURE_PIXELS
from edge.cameras.video_end import is_cut_off
from edge.errors import CameraError, PictureError
from edge.pictures import SUFFIXES, read_picture
from edge.printable import printable
from edge.records import CameraState, Frame, Image

log = logging.getLogger(__name__)

# FFmpeg's names of the formats that hold their pictures themselves. Playlists and the like (m3u8, ffconcat,
# sdp) would open other files, or addresses.
FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,ivf,h264,hevc,m4v,mjpeg,yuv4mpegpipe"  # mov: MP4
)
os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"format_whitelist;{FORMATS}|protocol_whitelist;file"


def open_replay(path: Path, fps: float = 30.0) -> "FolderCamera | VideoCamera":
    """Return the camera of a folder or a video file. Raises CameraError if it is absent or empty."""
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir() raises if a folder may not be entered
        return FolderCamera(path, fps)
    if not os.path.exists(path):  # noqa: PTH110
        raise CameraError(f"there is no folder or video {path} to replay")
    if not os.path.isfile(path):  # noqa: PTH113
        raise CameraError(f"{path} is a named pipe or a device: replay takes a folder or a video file")
    if not os.path.getsize(path):  # noqa: PTH202  also a file of /proc, which may have no end
        raise CameraError(f"{path} is empty (0 bytes): it must be a folder or a video file")
    return VideoCamera(path, fps)


class FolderCamera:
    """Yield the pictures of a folder in the order of their names. Log, count and skip unreadable ones."""

    def __init__(self, folder: Path, fps: float) -> None:
        self.dropped = 0  # unreadable pictures
        self._folder, self._fps = folder, fps
        try:
            self._files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise CameraError(f"{folder} can't be listed: {error.strerror}") from None
        if not self._files:
            raise CameraError(f"{folder} holds no pictures to replay (expected {', '.join(SUFFIXES)})")

    def __enter__(self) -> "FolderCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def state(self) -> CameraState:
        return CameraState(
            printable(f"replay:{self._folder}"), "live", 0, 0.0, self.dropped, is_recording=True
        )

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self._files):
            try:
                image = read_picture(file)
            except PictureError as error:
                self.dropped += 1
                log.warning("skipped: %s", error)
                continue
            yield Frame(image, index / self._fps, index)
        if self.dropped == len(self._files):
            raise CameraError(f"none of the {self.dropped} pictures in {self._folder} can be read")


class VideoCamera:
    """Yield every frame of a video file. Log a warning if the file is truncated."""

    def __init__(self, file: Path, fps: float) -> None:
        self.dropped = 0
        self._file = file
        # FFmpeg only, because other backends take some names for image sequences or devices. The path is
        # absolute, because FFmpeg takes the text before a colon in a relative path for a protocol.
        self._capture = cv2.VideoCapture(str(file.resolve()), cv2.CAP_FFMPEG)
        first = self._read() if self._capture.isOpened() else None
        if first is None:
            is_av1 = int(self._capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"AV01")
            self._capture.release()
            if is_av1:
                raise CameraError(
                    f"{file} is AV1, which OpenCV can't decode: convert it, for example with "
                    "ffmpeg -i IN -c:v libx264 OUT.mp4"
                )
            raise CameraError(f"OpenCV can't read {file} as a video, or it has no frames, or it is truncated")
        self._first: tuple[Image, float] = first
        height, width = first[0].shape[:2]
        if height * width > MAX_PICTURE_PIXELS:
            self._capture.release()
            raise CameraError(f"{file} has frames of {width}x{height} px: scale the video down first")
        own_fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._fps = own_fps if 0 < own_fps < 1000 else fps
        # of what the file says that it holds; 0 or less if it doesn't say
        self._duration_s = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) / self._fps

    def __enter__(self) -> "VideoCamera":
        return self

    def __exit__(self, *exc: object) -> None:
        self._capture.release()

    def state(self) -> CameraState:
        return CameraState(printable(f"replay:{self._file}"), "live", 0, 0.0, self.dropped, is_recording=True)

    def __iter__(self) -> Iterator[Frame]:
        index, t = 0, -1.0
        frame: tuple[Image, float] | None = self._first
        while frame is not None:
            image, t_file = frame
            t = t_file if t_file > t else t + 1 / self._fps  # some files hold no times
            yield Frame(image, t, index)
            index += 1
            frame = self._read()
        end_s = t + 1 / self._fps
        if is_cut_off(self._file, end_s, self._duration_s, 1 / self._fps):
            log.warning("%s ended after %.1f s: it is truncated", self._file, end_s)

    def _read(self) -> tuple[Image, float] | None:
        ok, bgr = self._capture.read()
        if not ok:
            return None
        image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        return image, self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
