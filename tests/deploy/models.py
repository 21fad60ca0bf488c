"""Build packages for update.yml from the shipped one: a good one, and three that a board must reject."""

import hashlib
import json
import shutil
from pathlib import Path

import onnx

SHIPPED = Path(__file__).parents[2] / "edge/default_model"
EXTRA_LAYERS = 120  # 3 x 3 convolutions of 64 channels: slow even on a fast, idle machine


def copy_shipped(folder: Path, note: str) -> dict[str, object]:
    """Copy the shipped package into `folder` and return its metadata with the note added.

    The note gives the package another checksum, and so another name on the board.
    """
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    metadata = json.loads((folder / "model_metadata.json").read_text())
    metadata["note"] = note
    return dict(metadata)


def write(folder: Path, metadata: dict[str, object]) -> Path:
    """Write the metadata with the current sizes and checksums of the files, as an export does."""
    for name, entry in metadata["contents"].items():
        data = (folder / name).read_bytes()
        entry |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "model_metadata.json").write_text(json.dumps(metadata, indent=1))
    return folder


def good(folder: Path, note: str = "good") -> Path:
    """Copy the shipped package under another name."""
    return write(folder, copy_shipped(folder, note))


def corrupt(folder: Path) -> Path:
    """Change one byte in the middle of the network, as a faulty transfer might."""
    write(folder, copy_shipped(folder, "corrupt"))
    network = next(folder.glob("*.onnx"))
    data = bytearray(network.read_bytes())
    data[len(data) // 2] ^= 0xFF
    network.write_bytes(data)
    return folder


def wrong(folder: Path) -> Path:
    """Write a valid package whose golden output differs from the output of its network."""
    metadata = copy_shipped(folder, "wrong")
    metadata["golden"]["letters"]["int8"] = [-x for x in metadata["golden"]["letters"]["int8"]]
    return write(folder, metadata)


def unreadable(folder: Path) -> Path:
    """Write a valid package whose temperature makes every letter unlikely; its logits are the same."""
    return write(folder, copy_shipped(folder, "unreadable") | {"temperature": 10.0})


def slow(folder: Path) -> Path:
    """Put slow convolutions before the network, and multiply their result by 0 to keep every output."""
    metadata = copy_shipped(folder, "slow")
    path = next(folder.glob("*.onnx"))
    model = onnx.load(path)
    graph, added = model.graph, []
    image = graph.input[0].name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        added.append(onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(name: str, shape: list[int], value: float) -> str:
        size = 1
        for side in shape:
            size *= side
        graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, shape, [value] * size))
        return name

    wide = constant("slow_wide", [64, 3, 3, 3], 0.01)
    same = constant("slow_same", [64, 64, 3, 3], 0.001)
    narrow = constant("slow_narrow", [3, 64, 1, 1], 0.01)
    out = node("Conv", [image, wide], "slow_in", pads=[1, 1, 1, 1])
    out = node("MaxPool", [out], "slow_pool", kernel_shape=[2, 2], strides=[2, 2])
    for number in range(EXTRA_LAYERS):
        out = node("Conv", [out, same], f"slow_{number}", pads=[1, 1, 1, 1])
        out = node("Tanh", [out], f"slow_tanh_{number}")
    out = node("GlobalAveragePool", [out], "slow_mean")
    out = node("Conv", [out, narrow], "slow_out")
    out = node("Mul", [out, constant("slow_nothing", [1], 0.0)], "slow_zero")
    out = node("Add", [image, out], "slow_image")
    for later in graph.node:
        later.input[:] = [out if name == image else name for name in later.input]
    for number, new in enumerate(added):
        graph.node.insert(number, new)
    onnx.save(model, path)
    return write(folder, metadata)
