"""Read the arrays of a binary glTF file (glTF 2.0)."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COMPONENT_TYPES: dict[int, Any] = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}  # section 3.6.2.2
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_glb(path: Path) -> tuple[dict[str, Any], Callable[[int], npt.NDArray[Any]]]:
    """Return the JSON document of the file, and a function that reads an accessor by its number.

    Arrays are (N, width), float64 or int64. See sections 4 (file format) and 3.6 (accessors).
    """
    data = path.read_bytes()
    (json_bytes,) = struct.unpack_from("<I", data, 12)
    document: dict[str, Any] = json.loads(data[20 : 20 + json_bytes])
    start = 20 + json_bytes + 8

    def read_array(number: int) -> npt.NDArray[Any]:
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        width, dtype = WIDTHS[accessor["type"]], COMPONENT_TYPES[accessor["componentType"]]
        offset = start + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        flat = np.frombuffer(data, dtype, accessor["count"] * width, offset)
        return flat.reshape(-1, width).astype(np.float64 if dtype is np.float32 else np.int64)

    return document, read_array
