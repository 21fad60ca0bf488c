"""Whether a video file was cut off, when its frames end before its duration."""

import contextlib
from pathlib import Path

# what the first box of an MP4 or MOV may be
MP4_BEGINS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
OGG_PAGE_BYTES = 65_307  # the longest page
OGG_LAST_PAGE = 4  # a bit of a page's flags
INEXACT = 0.02  # of durations and frame rates


def is_cut_off(file: Path, end_s: float, duration_s: float, frame_s: float) -> bool:
    """Return whether the file was cut off before its end.

    `end_s`: where its last frame ends; `duration_s`: what it says of itself; `frame_s`: of one frame.
    """
    ended_early = end_s < duration_s - max(frame_s, INEXACT * duration_s)
    with contextlib.suppress(OSError), file.open("rb") as video:
        begin = video.read(8)
        size = file.stat().st_size
        if begin.startswith(b"OggS"):
            # its duration is that of what is left, and a frame that repeats another is none
            video.seek(max(0, size - OGG_PAGE_BYTES))
            page = video.read().rpartition(b"OggS")[2]
            return not (len(page) > 1 and page[1] & OGG_LAST_PAGE)
        if ended_early and begin[4:8] in MP4_BEGINS:
            # one that was trimmed holds frames that nobody is to see
            position = 0
            while position < size:
                video.seek(position)
                head = video.read(16)
                length = int.from_bytes(head[:4], "big")
                if length == 1:
                    length = int.from_bytes(head[8:16], "big")
                if length == 0:  # to the end of the file
                    return False
                position += max(8, length)
            return position > size
    return ended_early
