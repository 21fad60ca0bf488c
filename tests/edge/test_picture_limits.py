"""A small picture file can't take much memory or time: not of `predict`, nor of a replayed folder."""

import contextlib
import io
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image as Pillow
from support.broken_pictures import jpeg_with_scans, png_of_zeros, png_with_long_chunk, tiff_with_large_tiles
from support.command_line import asl_edge, asl_edge_peak_mb, parse_json_lines, start_asl_edge
from support.made_pictures import save, scene

from edge.errors import PictureError
from edge.pictures import decode_picture
from edge.pictures.header import Header, read_header

MAX_MB = 300
NOT_DECODED = "not a picture that OpenCV can decode, or truncated"

pillow_heif.register_heif_opener()


def encode(width: int, height: int, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(scene(1, height, width)).save(file, kind, **options)
    return file.getvalue()


def jpeg_with_many_scans() -> bytes:
    return jpeg_with_scans(encode(1000, 1000, "JPEG", progressive=True, quality=1), 20_000)


HOSTILE = {
    "long-pixels.png": png_with_long_chunk(b"IDAT"),
    "long-text.png": png_with_long_chunk(b"tEXt"),
    "tiles.tif": tiff_with_large_tiles(16_000),
    "long.png": png_of_zeros(12_000, 100),
    "wide.ppm": b"P6 8000 8000 255\n",
}


def write_all(folder: Path) -> list[Path]:
    folder.mkdir()
    for name, data in HOSTILE.items():
        (folder / name).write_bytes(data)
    return sorted(folder.iterdir())


def test_small_files_that_ask_for_much_memory_are_refused_by_predict(
    tiny_folder: Path, tmp_path: Path
) -> None:
    files = write_all(tmp_path / "pictures")
    done, peak_mb = asl_edge_peak_mb("predict", "--model", tiny_folder, *files)
    assert (done.returncode, done.stderr) == (1, "")
    assert [result["file"] for result in parse_json_lines(done.stdout)] == list(map(str, files))
    assert all("error" in result for result in parse_json_lines(done.stdout))
    assert peak_mb < MAX_MB


def test_small_files_that_ask_for_much_memory_are_skipped_by_a_replay(
    tiny_folder: Path, tmp_path: Path
) -> None:
    files = write_all(tmp_path / "pictures")
    save(tmp_path / "pictures" / "z.png", scene(1))
    done, peak_mb = asl_edge_peak_mb(
        "run", "--model", tiny_folder, "--camera", f"replay:{tmp_path / 'pictures'}"
    )
    assert done.returncode == 0
    assert [f"skipped: {file}" in done.stderr for file in files] == [True] * len(files)
    assert peak_mb < MAX_MB


def test_decoding_that_takes_too_long_is_ended() -> None:
    with pytest.raises(
        PictureError, match=r"scans\.jpg: decoding takes more memory or time than a picture of"
    ):
        decode_picture(jpeg_with_many_scans(), "scans.jpg")
    # the next picture gets a new process
    assert decode_picture(encode(60, 40, "TIFF"), "next").shape == (40, 60, 3)


def test_tiff_is_read_where_memory_is_limited_already(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(encode(60, 40, "TIFF"))

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (2_000_000_000, 2_000_000_000))

    done = asl_edge("predict", "--model", tiny_folder, tmp_path / "a.tif", preexec_fn=limit_memory)
    assert parse_json_lines(done.stdout)[0]["letter"] == "F"


def test_few_bytes_that_would_fill_the_memory_are_refused() -> None:
    white = io.BytesIO()
    Pillow.new("RGB", (6000, 6000), "white").save(white, "WEBP", lossless=True)
    assert len(white.getvalue()) < 2000
    with pytest.raises(PictureError, match=r"white: 6000x6000 px in \d+ bytes can't be a photograph; save"):
        decode_picture(white.getvalue(), "white")


def test_photograph_of_a_phone_is_not_refused() -> None:
    photograph = encode(4000, 3000, "JPEG", progressive=True, quality=50)
    assert decode_picture(photograph, "photograph").shape == (3000, 4000, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "GIF"])
def test_header_tells_the_size_before_decoding(kind: str) -> None:
    header = read_header(encode(60, 40, kind))
    if kind == "GIF":
        assert header is None
    else:
        assert header == Header({"WEBP": "WebP"}.get(kind, kind), 60, 40, header.passes if header else 1)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"Exif\0\0"}], ids=["VP8L", "VP8X"])
def test_header_of_each_form_of_webp_tells_the_size(options: dict[str, object]) -> None:
    header = read_header(encode(60, 40, "WEBP", **options))
    assert header is not None
    assert (header.width, header.height) == (60, 40)


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    header = read_header(encode(60, 40, "JPEG", progressive=True))
    assert header is not None
    assert header.passes > 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "HEIF"])
def test_every_beginning_of_a_file_is_read_or_refused(kind: str) -> None:
    data = encode(24, 20, kind)
    for length in range(1, len(data), 7 if kind in ("BMP", "PPM", "TIFF") else 3):
        with contextlib.suppress(PictureError):
            assert decode_picture(data[:length], "cut").shape == (20, 24, 3)


def test_picture_that_needs_more_memory_than_there_is_is_reported_in_one_sentence(
    tiny_folder: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "large.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    cv2.imwrite(str(picture), cv2.resize(noise, (8000, 7000)))
    save(tmp_path / "small.png", scene(1))
    small = save(tmp_path / "small.png", scene(1))
    with start_asl_edge("predict", "--threads", "1", "--model", tiny_folder, "-") as program:

        def predict(file: Path) -> dict[str, Any]:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(f"{file}\n")
            program.stdin.flush()
            return dict(json.loads(program.stdout.readline()))

        assert predict(small)["letter"] == "F"
        status = Path(f"/proc/{program.pid}/status").read_text()
        address_space = 1024 * int(re.findall(r"VmSize:\s*(\d+)", status)[0])
        resource.prlimit(program.pid, resource.RLIMIT_AS, (address_space + 100_000_000,) * 2)
        error = predict(picture)["error"]
        assert error == f"{picture}: it needs more memory than there is; scale it down first"
        assert predict(small)["letter"] == "F"
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(60) == 1
        assert program.stderr is not None
        assert program.stderr.read() == ""


def test_ordinary_picture_is_decoded_without_a_process() -> None:
    code = (
        "import os, sys; from pathlib import Path; from edge.pictures import read_picture\n"
        "read_picture(Path('docs/pictures/hand-L.jpg'))\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read())"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
