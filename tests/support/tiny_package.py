"""A real deployment package within seconds: an untrained network of 15 kB, exported as `export` does.

Its files, shapes, checksums and golden outputs fulfil the contract. It reads F from every picture.
"""

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from torch import nn

from edge.engines import open_engine
from edge.engines.golden import golden_tensor
from edge.hand.reader import HandReader
from edge.package import (
    FEATURES,
    METADATA_NAME,
    OUTPUT_SHAPES,
    SCHEMA_VERSION,
    UPRIGHT,
    UPRIGHT_SHAPE,
    Package,
    compute_sha256,
    open_package,
)
from edge.preprocess import MEAN_RGB, STD_RGB
from edge.records import LETTERS, N_LANDMARKS
from export.golden_pictures import draw_golden
from support.made_pictures import save

SIZE_PX = 64
N_FEATURES = 16
ALWAYS = "F"  # the letter that it reads
TURNED_LESS = 0.25  # fraction by which its outputs are smaller for a square that was turned
EXAMPLE = torch.zeros(1, 3, SIZE_PX, SIZE_PX), torch.zeros(UPRIGHT_SHAPE)
GOLDEN_PICTURE = "golden_F.png"
FILES = {"float": "tiny.onnx", "int8": "tiny.int8.onnx", "dynamic": "tiny.dynamic.pt"}


class TinyNet(nn.Module):
    """(1, 3, S, S), and (1,) whether it was turned -> letters, presence, landmarks, features (1, 16)."""

    def __init__(self, n_letters: int = len(LETTERS)) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, N_FEATURES, 3, stride=2),
            nn.ReLU(),
        )
        self.head = nn.Linear(N_FEATURES, n_letters + 1 + 2 * N_LANDMARKS)
        self.n_letters = n_letters
        with torch.no_grad():
            self.head.bias[[LETTERS.index(ALWAYS), n_letters]] = 5.0

    def forward(self, image: torch.Tensor, upright: torch.Tensor) -> tuple[torch.Tensor, ...]:
        n = self.n_letters
        features = self.trunk(image).mean((2, 3))
        out = self.head(features) * (1 - TURNED_LESS * upright)
        return out[:, :n], out[:, n : n + 1], out[:, n + 1 :].sigmoid().reshape(-1, N_LANDMARKS, 2), features


class Oldest(nn.Module):
    """The inputs and outputs that asl-edge 0.1.0 exported."""

    def __init__(self, net: TinyNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.net(image, torch.zeros(UPRIGHT_SHAPE))[:3]  # type: ignore[no-any-return]


def export_onnx(net: nn.Module, path: Path, names: tuple[str, ...] = (*OUTPUT_SHAPES, FEATURES)) -> None:
    """Export with the inputs `image` and `upright` and opset 13, as the real export does."""
    inputs = EXAMPLE[: 1 if isinstance(net, Oldest) else 2]
    with exporting():
        torch.onnx.export(
            net.eval(),
            inputs,
            str(path),
            input_names=["image", UPRIGHT][: len(inputs)],
            output_names=list(names),
            opset_version=13,
            dynamo=False,
        )


def export_torchscript(net: nn.Module, path: Path) -> None:
    """Quantise the last layer to 8 bits and trace, as the real export does."""
    with exporting():
        quantized = torch.ao.quantization.quantize_dynamic(net.eval(), {nn.Linear}, torch.qint8)
        torch.jit.save(torch.jit.trace(quantized, EXAMPLE), str(path))


def input_of(size_px: int) -> dict[str, Any]:
    """Return the metadata's description of the input."""
    return {
        "name": "image",
        "shape": [1, 3, size_px, size_px],
        "colour": "RGB",
        "mean": list(MEAN_RGB),
        "std": list(STD_RGB),
    }


def build_tiny_package(folder: Path, seed: int = 0, net: TinyNet | None = None) -> Package:
    """Write all three variants of `net`, by default an untrained one, and metadata; open the package."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    net = (TinyNet() if net is None else net).eval()
    export_onnx(net, folder / FILES["float"])
    quantize_static(
        folder / FILES["float"],
        folder / FILES["int8"],
        _Calibration(),
        QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=["Conv"],
    )
    export_torchscript(net, folder / FILES["dynamic"])
    write_metadata(folder, {variant: [0.0] * len(LETTERS) for variant in FILES})
    package = open_package(folder)
    answers = {}
    for variant in FILES:
        engine = open_engine(package, variant, threads=1)
        answers[variant] = engine(golden_tensor(SIZE_PX)).letters[0].tolist()
    write_metadata(folder, answers, golden_pictures=write_golden_picture(package))
    return open_package(folder)


def write_golden_picture(package: Package) -> list[dict[str, Any]]:
    """Write a drawn hand in which every variant reads F, and return the section of the metadata."""
    hand = draw_golden(np.random.default_rng(0), ALWAYS)
    save(package.folder / GOLDEN_PICTURE, hand)
    confidence = {
        variant: HandReader(open_engine(package, variant), package.spec).read(hand).confidence
        for variant in FILES
    }
    return [{"name": GOLDEN_PICTURE, "letter": ALWAYS, "confidence": confidence}]


def write_metadata(folder: Path, golden_letters: dict[str, list[float]] | None, **changes: Any) -> None:
    """Write the contract of the files in `folder`; `changes` replace its entries.

    Golden answers that are None, and golden pictures, stay those of the metadata that is there.
    """
    names = [*FILES.values(), *([GOLDEN_PICTURE] if (folder / GOLDEN_PICTURE).exists() else [])]
    path = folder / METADATA_NAME
    before = json.loads(path.read_text()) if path.exists() else {}
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "labels": list(LETTERS),
        "input": input_of(SIZE_PX),
        UPRIGHT: {"shape": UPRIGHT_SHAPE},
        "outputs": {
            name: {"shape": shape} for name, shape in (OUTPUT_SHAPES | {FEATURES: [1, N_FEATURES]}).items()
        },
        "temperature": 1.0,
        "presence_threshold": 0.5,
        "files": {variant: {"name": name} for variant, name in FILES.items()},
        "contents": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": compute_sha256(folder / name)}
            for name in names
        },
        "golden": {"letters": golden_letters} if golden_letters is not None else before["golden"],
        "golden_pictures": before.get("golden_pictures", []),
    }
    path.write_text(json.dumps(metadata | changes, indent=2))


class _Calibration(CalibrationDataReader):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._rest = [rng.normal(size=(1, 3, SIZE_PX, SIZE_PX)).astype(np.float32) for _ in range(4)]

    def get_next(self) -> dict[str, Any] | None:
        return (
            {"image": self._rest.pop(), UPRIGHT: np.zeros(UPRIGHT_SHAPE, np.float32)} if self._rest else None
        )


@contextlib.contextmanager
def exporting() -> Iterator[None]:
    """Ignore deprecations of torch that the project needs."""
    with warnings.catch_warnings():
        # torch.jit, torch.ao.quantization and the exporter without dynamo are deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        yield
