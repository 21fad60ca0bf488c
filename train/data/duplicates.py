"""Near-duplicates: pictures that a model can recognise from memory, found by perceptual hash."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Image

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

GRID_PX = 32
# The 64 lowest frequencies of a 32x32 picture except the mean, so that light alone changes no bit.
_FREQUENCIES = sorted(((u, v) for u in range(11) for v in range(11)), key=lambda uv: (uv[0] + uv[1], uv))[
    1:65
]
_U, _V = (np.array(axis) for axis in zip(*_FREQUENCIES, strict=True))
# Measured on asl-frames: of 8,836 pictures 2 are within 6 bits of a picture of another source, which can't be
# its duplicate, and 40 within 10; 2,842 are within 6 bits of the same letter in their own source.
MAX_DISTANCE = 6


def perceptual_hash(image: Image) -> int:
    """(H, W, 3) -> 64 bits: which low DCT coefficients exceed their median (the pHash of Zauner, 2010)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (GRID_PX, GRID_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[_U, _V]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])


def near_pairs(hashes: Hashes, max_distance: int = MAX_DISTANCE) -> Pairs:
    """(N,) hashes -> (M, 2) indices i < j that differ in at most `max_distance` bits.

    Every pair is compared, in blocks that stay in the processor's cache: 100,000 pictures take some
    15 s, so no index is worth its code.
    """
    found = [np.zeros((0, 2), np.int64)]
    block = 64
    for start in range(0, len(hashes), block):
        distance = np.bitwise_count(hashes[start : start + block, None] ^ hashes[None, start:])
        pairs = np.argwhere(distance <= max_distance) + start
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def clusters(hashes: Hashes) -> Rows:
    """(N,) hashes -> (N,) cluster numbers: one for all pictures that a chain of near-duplicates links."""
    different, where = np.unique(hashes, return_inverse=True)  # many equal frames cost nothing this way
    parent = list(range(len(different)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in near_pairs(different).tolist():
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return np.array([root(i) for i in range(len(different))], np.int64)[where]


def across(hashes: Hashes, side: npt.NDArray[np.str_]) -> tuple[Rows, Rows]:
    """Pictures with a near-duplicate on another side of a split: their indices, and one such twin of each."""
    different, where = np.unique(hashes, return_inverse=True)
    sides, side_of = np.unique(side, return_inverse=True)
    example = np.full((len(different), len(sides)), -1, np.int64)  # a picture of this hash and side, or -1
    example[where, side_of] = np.arange(len(hashes))
    near = example.copy()
    pairs = near_pairs(different)
    for a, b in ((0, 1), (1, 0)):
        np.maximum.at(near, pairs[:, a], example[pairs[:, b]])
    twins = near[where]
    twins[np.arange(len(hashes)), side_of] = -1
    twin = twins.max(axis=1) if len(sides) else np.zeros(0, np.int64)
    rows = np.flatnonzero(twin >= 0)
    return rows, twin[rows]
