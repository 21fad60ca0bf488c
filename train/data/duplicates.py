"""Find near-duplicate pictures by perceptual hash: a model recognises those from memory."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Image

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

GRID_PX = 32
# The 64 lowest frequencies of a 32x32 picture without the mean, so that brightness alone changes no bit.
_FREQUENCIES = sorted(((u, v) for u in range(11) for v in range(11)), key=lambda uv: (uv[0] + uv[1], uv))[
    1:65
]
_U, _V = (np.array(axis) for axis in zip(*_FREQUENCIES, strict=True))
MAX_DISTANCE = 6  # bits; see docs/experiments.md, "Near-duplicates"
BLOCK = 64  # hashes compared with all others at a time; a block stays in the processor's cache


def perceptual_hash(image: Image) -> int:
    """Return the 64-bit pHash (Zauner, 2010) of (H, W, 3): which low DCT coefficients exceed their median."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (GRID_PX, GRID_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[_U, _V]
    return int(np.packbits(low > np.median(low)).view(">u8")[0])


def find_near_pairs(hashes: Hashes, max_distance: int = MAX_DISTANCE) -> Pairs:
    """Compare all (N,) hashes and return (M, 2) indices i < j that differ in at most `max_distance` bits."""
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(hashes), BLOCK):
        distance = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None, start:])
        pairs = np.argwhere(distance <= max_distance) + start
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def find_clusters(hashes: Hashes) -> Rows:
    """Number the (N,) hashes by cluster: pictures linked by a chain of near-duplicates share a number."""
    unique, index = np.unique(hashes, return_inverse=True)  # many equal frames cost nothing this way
    parent = list(range(len(unique)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in find_near_pairs(unique).tolist():
        low, high = sorted((root(i), root(j)))
        parent[high] = low
    return np.array([root(i) for i in range(len(unique))], np.int64)[index]


def find_across(hashes: Hashes, side: npt.NDArray[np.str_]) -> tuple[Rows, Rows]:
    """Return the pictures that have a near-duplicate on another side of a split, and one twin of each."""
    unique, index = np.unique(hashes, return_inverse=True)
    sides, side_index = np.unique(side, return_inverse=True)
    example = np.full((len(unique), len(sides)), -1, np.int64)  # a picture of this hash and side, or -1
    example[index, side_index] = np.arange(len(hashes))
    near = example.copy()
    pairs = find_near_pairs(unique)
    for a, b in ((0, 1), (1, 0)):
        np.maximum.at(near, pairs[:, a], example[pairs[:, b]])
    twins = near[index]
    twins[np.arange(len(hashes)), side_index] = -1
    twin = twins.max(axis=1) if len(sides) else np.zeros(0, np.int64)
    rows = np.flatnonzero(twin >= 0)
    return rows, twin[rows]
