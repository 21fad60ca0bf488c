"""Mutated pictures of eleven formats, read by `asl-edge predict` within a budget of memory and time."""

import io
import json
import os
import queue
import random
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from cost import cpu_s, peak_mb, reset_peaks
from PIL import Image, PngImagePlugin
from row import Row

pillow_heif.register_heif_opener()
ROOT = Path(__file__).parents[2]
MAX_MB, MAX_S = 300.0, 2.0  # of one picture: resident memory of a process, processor time
WAIT_S = 30.0  # for an answer
PROCESSES = 2
TRIES, SHORT_TRIES = 20_000, 400
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 12_000, 40_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MODEL = "import sys; from pathlib import Path; from support.tiny_package import build_tiny_package as build\n"
MODEL += "build(Path(sys.argv[1]))"


@dataclass(frozen=True)
class Try:
    """What one picture did to the program."""

    format: str
    is_answered: bool  # by one line of JSON with a letter or an error
    is_read: bool
    s: float  # processor time
    mb: float  # largest resident memory


def attack(short: bool) -> Iterator[Row]:
    """Yield a row for each format."""
    rng = random.Random(28)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_model(folder / "model")
        seeds = make_seeds()
        count = (SHORT_TRIES if short else TRIES) // len(seeds)
        todo: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        for _ in range(count):
            for kind, files in seeds.items():
                todo.put((kind, mutate(rng, rng.choice(files))))
        with ThreadPoolExecutor(PROCESSES) as pool:
            parts = list(pool.map(lambda i: _predict_all(folder, i, todo), range(PROCESSES)))
    tries = [each for part in parts for each in part]
    for kind in seeds:
        yield _format([each for each in tries if each.format == kind], kind)


def build_model(folder: Path) -> None:
    """Write the deployment package of a tiny network, which takes milliseconds to read a picture."""
    subprocess.run(
        [sys.executable, "-c", MODEL, folder],
        cwd=ROOT / "tests",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )


def _format(tries: list[Try], kind: str) -> Row:
    held = [each for each in tries if each.is_answered and each.s <= MAX_S and each.mb <= MAX_MB]
    read = sum(each.is_read for each in tries)
    return Row(
        f"mutated pictures, {kind}",
        len(tries),
        len(held),
        max(each.s for each in tries),
        max(each.mb for each in tries),
        f"{read:,} are read, {len(tries) - read:,} refused in one sentence",
    )


def _predict_all(folder: Path, number: int, todo: "queue.SimpleQueue[tuple[str, bytes]]") -> list[Try]:
    """Let one `asl-edge predict` after another read the pictures, until none is left."""
    tries: list[Try] = []
    file = folder / f"{number}"
    while not todo.empty():
        program = _Predict(folder / "model", folder)
        try:
            program.read(ROOT / "docs/pictures/hand-L.jpg", "")  # so that its start is not measured
            while program.process.poll() is None:
                try:
                    kind, data = todo.get_nowait()
                except queue.Empty:
                    return tries
                file.write_bytes(data)
                tries.append(program.read(file, kind))
        finally:
            program.end()
    return tries


class _Predict:
    def __init__(self, model: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "edge", "predict", "-", "--threads", "1", "--model", str(model)]
        self.process = subprocess.Popen(
            [*command, "--state-dir", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._pid = self.process.pid

    def read(self, file: Path, kind: str) -> Try:
        """Let the program read a picture. A program that gives no answer is ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        reset_peaks(self._pid)
        before_s = cpu_s(self._pid)
        timer = threading.Timer(WAIT_S, self.process.kill)
        timer.start()
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        timer.cancel()
        try:
            answer = json.loads(line)
        except ValueError:
            self.process.kill()
            return Try(kind, False, False, 0.0, 0.0)
        is_complete = ("letter" in answer) != ("error" in answer)
        return Try(kind, is_complete, "letter" in answer, cpu_s(self._pid) - before_s, peak_mb(self._pid))

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def make_seeds() -> dict[str, list[bytes]]:
    """Return small files by format: soft patches of colour, 96x72 px."""
    patches = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    colour = Image.fromarray(patches).resize((96, 72), Image.Resampling.BICUBIC)
    grey, alpha = colour.convert("L"), colour.convert("RGBA")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 200, zip=True)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    return {
        "JPEG": [
            _save(colour, "JPEG", exif=rotated),
            _save(grey, "JPEG"),
            _save(colour.convert("CMYK"), "JPEG"),
        ],
        "progressive JPEG": [_save(colour, "JPEG", progressive=True)],
        "PNG": [
            *(_save(each, "PNG", pnginfo=text, exif=rotated) for each in (colour, alpha, deep)),
            _save(colour.convert("P"), "PNG"),
        ],
        "animated PNG": [_save(colour, "PNG", save_all=True, append_images=[colour.rotate(9)])],
        "lossy WebP": [
            _save(colour, "WEBP", exif=rotated),
            _save(colour, "WEBP", save_all=True, append_images=[colour.rotate(9)] * 3),
        ],
        "lossless WebP": [_save(colour, "WEBP", lossless=True), _save(alpha, "WEBP", lossless=True)],
        "BMP": [_save(colour, "BMP"), _save(grey, "BMP"), _save(colour.convert("1"), "BMP")],
        "TIFF": [
            *(_save(colour, "TIFF", compression=name) for name in ("raw", "tiff_lzw", "jpeg", "packbits")),
            _save(deep, "TIFF", compression="tiff_adobe_deflate"),
            _save(Image.fromarray(np.asarray(grey) / np.float32(255)), "TIFF", compression="tiff_lzw"),
            _save(colour.convert("1"), "TIFF", compression="group4"),
        ],
        "PPM": [_save(colour, "PPM"), _save(grey, "PPM"), b"P3 20 20 255 " + b"9 99 199 " * 400],
        "AVIF": [_save(colour, "AVIF"), _save(alpha, "AVIF"), _save(colour, "AVIF", exif=rotated)],
        "HEIC": [_save(colour, "HEIF"), _save(alpha, "HEIF"), _save(colour, "HEIF", exif=rotated)],
    }


def _save(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def mutate(rng: random.Random, seed: bytes) -> bytes:
    """Return the file after one to four changes; the checksums of half of all PNGs are put right again."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        rng.choice(CHANGES)(rng, data)
    if data.startswith(b"\x89PNG") and rng.random() < 0.5:
        _mend_checksums(data)
    return bytes(data)


def _overwrite(rng: random.Random, data: bytearray) -> None:
    position = _position(rng, data)
    data[position : position + 1] = rng.randbytes(1)


def _set_number(rng: random.Random, data: bytearray) -> None:
    """Put a number where a size or a count may stand."""
    position, form = _position(rng, data), rng.choice(("<I", ">I", "<H", ">H"))
    value = rng.choice(EXTREMES) & (0xFFFFFFFF if form[1] == "I" else 0xFFFF)
    data[position : position + struct.calcsize(form)] = struct.pack(form, value)


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data) // 2, len(data) + 1) :]


def _remove(rng: random.Random, data: bytearray) -> None:
    position = _position(rng, data)
    del data[position : position + rng.randint(1, 64)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    position = _position(rng, data)
    data[position:position] = data[position : position + rng.randint(1, 200)] * rng.randint(1, 20)


CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _overwrite, _overwrite, _set_number, _set_number, _set_number, _cut, _remove, _repeat,
)  # fmt: skip


def _position(rng: random.Random, data: bytearray) -> int:
    """Return a position, in two of three cases among the first 200 bytes, where most headers are."""
    return rng.randrange(max(1, min(len(data), 200 if rng.random() < 0.67 else len(data))))


def _mend_checksums(data: bytearray) -> None:
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[position + 4 : end]))
        position = end + 4
