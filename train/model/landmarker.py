"""MediaPipe's hand landmark network, which has seen the hands of very many people: teacher, and part of ours.

`hand_landmark_full.onnx` is that of MediaPipe 0.10.21 (Google, Apache-2.0), its weights unchanged (float16),
written by `python -m train.model.from_tflite` from the file of the same name in that release's wheel, with
three inner maps as further outputs (142=at_16 145=late 159=at_32). Training reads the file; what goes to a
device is the whole network (`train.model.network`), in which its last blocks have learned further
(`train.fit.finetune`).
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge.records import N_LANDMARKS, Array, Image

SIZE_PX = 224
HINTS = {"at_16": (112, 7, 7), "at_32": (1152, 3, 3)}  # stride 16 and 32: channels, cells
LATE, LATE_SHAPE = "late", (192, 7, 7)  # what its last blocks compute `at_32` from
POINTS, NUMBERS_A_POINT = "output_0", 3  # x, y and depth, px
# the mean of its last map, from which it computes all that it says of a hand
FEATURES, N_FEATURES = "features", 1152
FILE = Path(__file__).parent / "hand_landmark_full.onnx"


class Landmarker:
    """(224, 224, 3) RGB uint8 around a hand -> its maps by the names of HINTS, each the mean over a few cells
    of the crop; `late`, the whole of that; `features`, (1152,); and `points`, (21, 2) px."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # crops are seen side by side, each by one thread
        self._session = ort.InferenceSession(str(FILE), options, providers=["CPUExecutionProvider"])

    def __call__(self, crop: Image) -> dict[str, Array]:
        image = np.ascontiguousarray((crop.astype(np.float32) / 255).transpose(2, 0, 1)[None])
        *maps, late, points = self._session.run([*HINTS, LATE, POINTS], {"image": image})
        hints = {
            name: pooled(seen[0], cells)
            for seen, (name, (_, cells, _)) in zip(maps, HINTS.items(), strict=True)
        }
        flat = points.reshape(N_LANDMARKS, NUMBERS_A_POINT)[:, :2]
        return {**hints, LATE: late[0], FEATURES: maps[-1][0].mean(axis=(1, 2)), "points": flat}


def pooled(maps: Array, cells: int) -> Array:
    """(C, H, W) -> (C, cells, cells), means of cells that overlap where they don't divide the side (as
    torch's adaptive_avg_pool2d)."""
    means = _means(maps.shape[1], cells)
    return np.asarray(means @ maps @ means.T, np.float32)


@cache
def _means(side: int, cells: int) -> Array:
    """(cells, side): a row is the weights of a cell's mean."""
    means = np.zeros((cells, side), np.float32)
    for i in range(cells):
        start, end = i * side // cells, -(-(i + 1) * side // cells)
        means[i, start:end] = 1 / (end - start)
    return means
