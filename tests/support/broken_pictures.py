"""Small picture files with large dimensions."""

import struct
import zlib


def png_of_zeros(width: int, height: int) -> bytes:
    """Return a black PNG with one bit per pixel, which compresses to a few kB at any size."""
    row = bytes(1 + (width + 7) // 8)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_with_long_chunk(kind: bytes) -> bytes:
    """A PNG of 64x64 px with a chunk that claims to hold 2 GB."""
    picture = png_of_zeros(64, 64)
    return picture[:33] + struct.pack(">I", 0x7FFFFFFF) + kind + picture[33:]


def tiff_with_large_tiles(side_px: int) -> bytes:
    """A TIFF of 64x64 px in one tile of this side, whose pixels are missing."""
    entries = {
        256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 322: side_px, 323: side_px, 324: 8, 325: side_px**2,
    }  # fmt: skip
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0)


def jpeg_with_scans(progressive: bytes, scans: int) -> bytes:
    """Repeat the last scan of a progressive JPEG until it has so many more."""
    start = progressive.rindex(b"\xff\xda")
    return progressive[:-2] + progressive[start:-2] * scans + b"\xff\xd9"
