"""Decode every common kind of picture file, and refuse broken ones in one sentence."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image as Pillow
from support.broken_pictures import png_of_zeros
from support.command_line import ENVIRONMENT, asl_edge

from edge.errors import PictureError
from edge.pictures import MAX_BYTES, MAX_SIDE_PX, MIN_SIDE_PX, decode_picture, read_picture

pillow_heif.register_heif_opener()
ORIENTATION = 0x0112  # the EXIF tag
RED, BLUE = (255, 0, 0), (0, 0, 255)
ROOT = Path(__file__).parents[2]


def red_left_blue_right(width: int = 100, height: int = 60) -> Pillow.Image:
    picture = Pillow.new("RGB", (width, height), BLUE)
    picture.paste(RED, (0, 0, width // 2, height))
    return picture


def encode(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def is_near(pixel: np.ndarray, colour: tuple[int, int, int], tolerance: int = 6) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= tolerance)


def test_picture_with_a_side_that_is_too_long_is_refused() -> None:
    with pytest.raises(PictureError, match=r"strip: 12001x16 px is too long; at most 12000 px a side"):
        decode_picture(png_of_zeros(MAX_SIDE_PX + 1, 16), "strip")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_picture_is_decoded_as_rgb(kind: str) -> None:
    image = decode_picture(encode(red_left_blue_right(), kind), "picture")
    assert (image.shape, image.dtype) == ((60, 100, 3), np.uint8)
    assert is_near(image[30, 10], RED)
    assert is_near(image[30, 90], BLUE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "red", "blue"),  # (row, column) of each in the upright picture
    [
        (3, (30, 90), (30, 10)),
        (6, (10, 30), (90, 30)),
        (8, (90, 30), (10, 30)),
        (2, (30, 90), (30, 10)),
        (4, (30, 10), (30, 90)),
        (5, (10, 30), (90, 30)),
        (7, (90, 30), (10, 30)),
    ],
)
def test_picture_with_an_exif_rotation_is_rotated_upright(
    kind: str, orientation: int, red: tuple[int, int], blue: tuple[int, int]
) -> None:
    tags = Pillow.Exif()
    tags[ORIENTATION] = orientation
    image = decode_picture(encode(red_left_blue_right(), kind, exif=tags), "picture")
    assert image.shape == ((100, 60, 3) if orientation > 4 else (60, 100, 3))
    assert is_near(image[red], RED)
    assert is_near(image[blue], BLUE)


def test_heic_picture_of_a_turned_telephone_is_upright() -> None:
    tags = Pillow.Exif()
    tags[ORIENTATION] = 6
    image = decode_picture(encode(red_left_blue_right(), "HEIF", exif=tags.tobytes()), "picture")
    assert image.shape == (100, 60, 3)
    assert is_near(image[10, 30], RED)


def test_heic_picture_without_its_library_is_answered_with_what_to_do(tmp_path: Path) -> None:
    picture = tmp_path / "hand.heic"
    picture.write_bytes(encode(red_left_blue_right(), "HEIF"))
    # a Python that has no pillow-heif
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pillow_heif'] = None\n")
    done = asl_edge("predict", picture, env=ENVIRONMENT | {"PYTHONPATH": str(tmp_path)})
    error = json.loads(done.stdout)["error"]
    assert "a HEIC picture, which needs pillow-heif" in error
    assert "Most Compatible" in error


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_without_its_end_marker_is_read_and_one_without_pixels_is_not(progressive: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 100, 3), np.uint8)
    data = encode(Pillow.fromarray(noise), "JPEG", progressive=progressive)
    whole = decode_picture(data, "whole")
    for missing in (1, 2):
        assert np.array_equal(decode_picture(data[:-missing], "cut"), whole)
    for missing in (20, 200, len(data) // 2):
        with pytest.raises(PictureError, match="truncated"):
            decode_picture(data[:-missing], "cut")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 255])
def test_tiff_of_floating_point_numbers_is_read(kind: type, scale: int) -> None:
    picture = np.zeros((60, 100, 3), kind)
    picture[:, :50, 2] = picture[:, 50:, 0] = scale  # BGR
    image = decode_picture(cv2.imencode(".tiff", picture)[1].tobytes(), "picture")
    assert is_near(image[30, 10], RED)
    assert is_near(image[30, 90], BLUE)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_channel_is_dropped(kind: str) -> None:
    picture = red_left_blue_right().convert("RGBA")
    picture.putalpha(128)
    image = decode_picture(encode(picture, kind, **({"lossless": True} if kind == "WEBP" else {})), "picture")
    assert image.shape == (60, 100, 3)
    assert is_near(image[30, 10], RED)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_picture_gets_three_equal_channels(kind: str) -> None:
    image = decode_picture(encode(Pillow.new("L", (40, 40), 130), kind), "picture")
    assert image.shape == (40, 40, 3)
    assert is_near(image[20, 20], (130, 130, 130))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    grey = Pillow.fromarray(np.full((40, 40), 130 * 257, np.uint16))
    assert grey.mode == "I;16"
    image = decode_picture(encode(grey, kind), "picture")
    assert is_near(image[20, 20], (130, 130, 130))


def test_cmyk_jpeg_keeps_its_colours() -> None:
    image = decode_picture(encode(red_left_blue_right().convert("CMYK"), "JPEG"), "picture")
    assert image.shape == (60, 100, 3)
    assert is_near(image[30, 10], RED, 12)
    assert is_near(image[30, 90], BLUE, 12)


def test_palette_picture_keeps_its_colours() -> None:
    image = decode_picture(encode(red_left_blue_right().convert("P"), "PNG"), "picture")
    assert is_near(image[30, 10], RED)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.png: the file is empty (0 bytes)"),
        (b"no picture", "x.png: not a picture that OpenCV can decode, or truncated"),
        (encode(Pillow.new("RGB", (1, 1)), "PNG"), "x.png: 1x1 px is too small; at least 16 px a side"),
        (
            encode(red_left_blue_right(), "PNG")[:40],
            "x.png: not a picture that OpenCV can decode, or truncated",
        ),
        (png_of_zeros(20_000, 10_000), "x.png: larger than 64 megapixels; scale it down first"),
    ],
    ids=["empty", "text", "one-pixel", "cut", "200-megapixels"],
)
def test_bad_picture_is_reported_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode_picture(data, "x.png")
    assert str(caught.value) == message


def test_smallest_picture_is_read() -> None:
    picture = encode(Pillow.new("RGB", (MIN_SIDE_PX, MIN_SIDE_PX)), "PNG")
    assert decode_picture(picture, "picture").shape == (MIN_SIDE_PX, MIN_SIDE_PX, 3)


@pytest.mark.parametrize("name", ["absent.jpg", ".", "zero\0byte.jpg"])
def test_name_that_is_not_a_file_is_reported_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=r"no such file|is a directory|null byte|null character"):
        read_picture(tmp_path / name)


def test_endless_device_is_refused() -> None:
    with pytest.raises(PictureError, match="/dev/zero: it is a device, not a file"):
        read_picture(Path("/dev/zero"))


def test_file_larger_than_any_picture_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "disk.img").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(PictureError, match=r"disk\.img: it is larger than 512,000,000 bytes"):
        read_picture(tmp_path / "disk.img")


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match=r"pipe\.jpg: it is a named pipe, not a file"):
        read_picture(tmp_path / "pipe.jpg")


def test_picture_from_another_program_is_read() -> None:
    command = "cat docs/pictures/hand-L.jpg"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m edge predict <({command})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["letter"] == "L", done
