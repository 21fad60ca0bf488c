"""What a picture file says of itself, read before anything is decoded: its kind and its size.

Decoders allocate what a header or a chunk asks for, so each is held against the bytes that are there.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

MAX_PNG_CHUNKS = 200_000  # 64 megapixels in chunks of 1 kB
MAX_DEFLATE_RATIO = 1032  # zlib.net/zlib_tech.html
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
TIFF_WIDTH, TIFF_HEIGHT = 256, 257  # tags
TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # type of a tag's value: SHORT, LONG, LONG8
JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers SOF0 to SOF15
JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
NETPBM = re.compile(rb"P([1-6])" + rb"(?:\s|#[^\n]*\n)+(\d{1,9})" * 2)
NETPBM_BYTES = {b"1": 1, b"2": 2, b"3": 6, b"4": 1 / 8, b"5": 1, b"6": 3}  # least bytes of a pixel, by type


class BrokenHeaderError(ValueError):
    """A picture file that is shorter than its header says, or has no size."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded."""

    kind: str
    width: int  # px, before a rotation by EXIF
    height: int
    passes: int = 1  # how often the decoder goes over all pixels
    quarter_turns: int = 0  # counter-clockwise, of AVIF, to be made after decoding
    flip: int | None = None  # then, as cv2.flip has it: 0 top and bottom, 1 left and right

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(data: bytes) -> Header | None:
    """Return the header of a picture file, or None if its first bytes are of no kind that is read.

    Raises BrokenHeaderError if the file can't hold what the header says.
    """
    for begins, read in _READERS.items():
        if re.match(begins, data, re.DOTALL):
            try:
                header = read(data)
            except (struct.error, IndexError):
                raise BrokenHeaderError("truncated") from None
            if min(header.width, header.height) < 1:
                raise BrokenHeaderError("no size")
            return header
    return None


def _read_png(data: bytes) -> Header:
    """Read IHDR, and check that no chunk is longer than the file."""
    if data[12:16] != b"IHDR":
        raise BrokenHeaderError("no size")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    packed = 0  # bytes of pixels
    for kind, start, length in _png_chunks(data):
        if kind == b"IDAT":
            packed += length
        elif kind == b"IHDR" and start != 16:
            raise BrokenHeaderError("two sizes")
    raw = height * (width * bits * PNG_CHANNELS.get(colour, 1) // 8)
    if raw > MAX_DEFLATE_RATIO * packed:
        raise BrokenHeaderError("truncated")
    return Header("PNG", width, height)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and length of each chunk. Raises BrokenHeaderError for one that is cut off."""
    position = 8
    for _ in range(MAX_PNG_CHUNKS):
        if position + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        if position + 12 + length > len(data):
            raise BrokenHeaderError("truncated")
        yield kind, position + 8, length
        position += 12 + length
    raise BrokenHeaderError("too many chunks")


def _read_jpeg(data: bytes) -> Header:
    """Read the first frame header, and count the scans of a progressive file."""
    position = 2
    while True:
        if data[position] != 0xFF:
            raise BrokenHeaderError("truncated")
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
        elif marker in JPEG_ALONE:
            position += 2
        elif marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Header("JPEG", width, height, max(1, data.count(b"\xff\xda", position)))
        elif marker in (0xD9, 0xDA):
            raise BrokenHeaderError("no size")
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _read_webp(data: bytes) -> Header:
    """Read the first chunk: VP8 (lossy), VP8L (lossless), or VP8X (extended, which has its own size)."""
    length = int.from_bytes(data[4:8], "little")
    if length + 8 > len(data):
        raise BrokenHeaderError("truncated")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return Header("WebP", width, height, max(1, data.count(b"ANMF")))


def _read_bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:  # OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)  # rows from top to bottom have a negative height
    if compression in (0, 3) and (width * bits + 31) // 32 * 4 * height > len(data):
        raise BrokenHeaderError("truncated")
    return Header("BMP", width, height)


def _read_tiff(data: bytes) -> Header:
    """Read width and height from the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2) == (43,)
    offset_type, count_type, entry = ("Q", "Q", "HHQ") if is_big else ("I", "H", "HHI")
    (position,) = struct.unpack_from(order + offset_type, data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + count_type, data, position)
    position += struct.calcsize(order + count_type)
    sides: dict[int, int] = {}
    for _ in range(min(count, 1000)):
        tag, kind, _ = struct.unpack_from(order + entry, data, position)
        if tag in (TIFF_WIDTH, TIFF_HEIGHT) and kind in TIFF_NUMBERS:
            value_at = position + struct.calcsize(order + entry)
            (sides[tag],) = struct.unpack_from(order + TIFF_NUMBERS[kind], data, value_at)
        position += 20 if is_big else 12
    return Header("TIFF", sides.get(TIFF_WIDTH, 0), sides.get(TIFF_HEIGHT, 0))


def _read_netpbm(data: bytes) -> Header:
    match = NETPBM.match(data)
    if match is None:
        raise BrokenHeaderError("no size")
    width, height = int(match[2]), int(match[3])
    if width * height * NETPBM_BYTES[match[1]] > len(data):
        raise BrokenHeaderError("truncated")
    return Header("PPM", width, height)


def _read_avif(data: bytes) -> Header:
    """Read the size, and the boxes `irot` and `imir`, which say how the picture is turned and mirrored."""
    size = _read_heif("AVIF", data)
    turned, mirrored = (
        re.search(rb"\0\0\0\x09" + kind + rb"(.)", data, re.DOTALL) for kind in (b"irot", b"imir")
    )
    return replace(
        size,
        quarter_turns=turned[1][0] & 3 if turned else 0,
        flip=mirrored[1][0] & 1 if mirrored else None,
    )


def _read_heic(data: bytes) -> Header:
    return _read_heif("HEIC", data)


def _read_heif(kind: str, data: bytes) -> Header:
    """Read the largest of the boxes `ispe`, which each give the size of an item."""
    sizes = [struct.unpack_from(">II", data, found.end() + 4) for found in re.finditer(b"ispe", data)]
    if not sizes:
        raise BrokenHeaderError("no size")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(kind, width, height)


# by a pattern of the first bytes
_READERS: dict[bytes, Callable[[bytes], Header]] = {
    rb"\x89PNG\r\n\x1a\n": _read_png,
    rb"\xff\xd8\xff": _read_jpeg,
    rb"RIFF....WEBP": _read_webp,
    rb"BM": _read_bmp,
    rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]": _read_tiff,
    rb"P[1-6][\s#]": _read_netpbm,
    rb"....ftyp(?:....){0,15}?(?:avif|avis)": _read_avif,
    rb"....ftyp(?:....){0,15}?(?:heic|heix|heim|heis|hevc|mif1)": _read_heic,
}
