"""MediaPipe's hand landmark network as onnxruntime runs it: teacher of the ResNet and part of our network.

`hand_landmark_full.onnx` holds the unchanged float16 weights of MediaPipe 0.10.21 (Google, Apache-2.0).
`python -m train.model.from_tflite` wrote it from the file of the same name in that release's wheel, with
three inner maps as further outputs (142=at_16 123=middle 159=at_32). Training reads this file; a device gets
the whole network (`train.model.network`), whose last blocks were finetuned (`train.fit.finetune`).
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edge.records import N_LANDMARKS, Array, Image

SIZE_PX = 224
HINTS = {"at_16": (112, 7, 7), "at_32": (1152, 3, 3)}  # stride 16 and 32: channels, cells
MIDDLE, MIDDLE_SHAPE = "middle", (80, 14, 14)  # the input of the blocks that are finetuned
LANDMARKS, VALUES_PER_LANDMARK = "output_0", 3  # x, y and depth, px
FEATURES, N_FEATURES = "features", 1152  # the mean of the last map; every output is computed from it
FILE = Path(__file__).parent / "hand_landmark_full.onnx"


class Landmarker:
    """Run the landmark network on (224, 224, 3) RGB uint8 around a hand.

    The result has the maps of HINTS, pooled to their cells; `middle` (80, 14, 14); `features` (1152,); and
    `landmarks` (21, 2) px.
    """

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # several processes read crops side by side
        self._session = ort.InferenceSession(str(FILE), options, providers=["CPUExecutionProvider"])

    def __call__(self, crop: Image) -> dict[str, Array]:
        image = np.ascontiguousarray((crop.astype(np.float32) / 255).transpose(2, 0, 1)[None])
        *maps, middle, values = self._session.run([*HINTS, MIDDLE, LANDMARKS], {"image": image})
        hints = {
            name: pool(one[0], cells) for one, (name, (_, cells, _)) in zip(maps, HINTS.items(), strict=True)
        }
        landmarks = values.reshape(N_LANDMARKS, VALUES_PER_LANDMARK)[:, :2]
        return {**hints, MIDDLE: middle[0], FEATURES: maps[-1][0].mean(axis=(1, 2)), "landmarks": landmarks}


def pool(maps: Array, cells: int) -> Array:
    """Average (C, H, W) over (C, cells, cells); cells overlap as in torch's adaptive_avg_pool2d."""
    weights = _build_pooling(maps.shape[1], cells)
    return np.asarray(weights @ maps @ weights.T, np.float32)


@cache
def _build_pooling(side: int, cells: int) -> Array:
    """Return (cells, side): each row averages one cell."""
    weights = np.zeros((cells, side), np.float32)
    for i in range(cells):
        start, end = i * side // cells, -(-(i + 1) * side // cells)
        weights[i, start:end] = 1 / (end - start)
    return weights
