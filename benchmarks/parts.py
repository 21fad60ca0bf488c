"""What each part of the shipped recipe is worth on people that the networks have not seen.

    python benchmarks/parts.py CHECKPOINT... [--pictures 150] [--crops FOLDER] [--data MANIFEST]

Each checkpoint of `fit` reads whole pictures of the sources that its training left out, in float32, as the
device does, with one part left away or put in another's place at a time. With --crops the small layer on the
landmark network's features is also fitted anew, to fewer or other crops. --plain: the ResNet alone and both
parts together of each checkpoint, and what a reading costs: for runs of training_parts.sh.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from teach import DATA, pictures_of
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge.engines.session import open_session
from edge.geometry import Square
from edge.hand.palm_detector import MediaPipePalmDetector, PalmDetector, no_palms
from edge.hand.reader import HandReader
from edge.hand.search import HandSearch
from edge.hand.view import View
from edge.package import ModelSpec
from edge.records import Array, Engine, Image, Output
from export.to_onnx import OPSET
from train.crops.store import NO_PICTURE, Crops, open_crops
from train.fit.checkpoint import Checkpoint, load_checkpoint
from train.model.landmark_head import fit_reading, late_maps
from train.model.landmark_network import HandNetwork
from train.model.landmarker import SIZE_PX
from train.model.network import BORDER_PX, AslNet, HandReading, split_answers, together

Read = Callable[[Image], str | None]
LOOK_ALIKES = ("MNST", "AE", "URV", "KP", "GQ", "DZ", "IJ")


class OneView(HandSearch):
    """View only the square that was found, and no closer one."""

    def zoom_in(
        self, image: Image, square: Square, rotation_rad: float | None = None, quick: bool = False
    ) -> list[View]:
        return [self.view(image, square, rotation_rad)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=150, help="of each source")
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", help="rows whose name holds this alone")
    args = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    answers: dict[str, list[tuple[str, str | None]]] = {}  # by way: (letter, said)
    looks: dict[str, CropViews] = {}  # by checkpoint
    for path in args.checkpoints:
        checkpoint = load_checkpoint(path)
        unseen = checkpoint.training["left_out"]
        if not unseen:
            raise SystemExit(f"{path} has seen every source: nothing honest can be said of it")
        pictures = {source: pictures_of(args.data, source, args.pictures, seed=1) for source in unseen}
        crops = open_crops(args.crops) if args.crops else None
        looks[path.parent.name] = look = looked(checkpoint)
        for name, read in ways(checkpoint, look, crops, args.plain):
            if args.only and args.only not in name:
                continue
            label = f"{path.parent.name}: {name}" if args.plain else name
            for source, some in pictures.items():
                said = all_read(read, some)
                table.setdefault(label, {})[source] = float(np.mean([one == known for known, one in said]))
                answers.setdefault(label, []).extend(said)
    sources = sorted({source for shares in table.values() for source in shares})
    print(f"letters right of whole pictures, not found is wrong; up to {args.pictures} of each unseen source")
    print(f"| | {' | '.join(sources)} | mean |\n|---|{'---|' * (len(sources) + 1)}")
    for label, shares in table.items():
        cells = [f"{shares[source]:.1%}" if source in shares else "" for source in sources]
        print(f"| {label} | {' | '.join(cells)} | {np.mean(list(shares.values())):.1%} |")
    print("\nread as another of the same group")
    print(f"| | {' | '.join('/'.join(group) for group in LOOK_ALIKES)} |\n|---|{'---|' * len(LOOK_ALIKES)}")
    for label, said in answers.items():
        print(f"| {label} | {' | '.join(f'{mixed_up(said, group):.1%}' for group in LOOK_ALIKES)} |")
    print("\none reading in float32, one thread, in turns")
    for label, cost_ms in costs_ms(looks).items():
        print(f"| {label} | {cost_ms:.1f} ms |")


def costs_ms(looks: dict[str, "CropViews"], rounds: int = 40) -> dict[str, float]:
    """The median of each."""
    square = np.zeros((1, 3, SIZE_PX, SIZE_PX), np.float32)
    spent_s: dict[str, list[float]] = {label: [] for label in looks}
    for _ in range(rounds):
        for label, look in looks.items():
            started = time.perf_counter()
            look(square)
            spent_s[label].append(time.perf_counter() - started)
    return {label: float(np.median(some)) * 1000 for label, some in spent_s.items()}


def all_read(read: Read, pictures: list[tuple[str, Image]]) -> list[tuple[str, str | None]]:
    """(letter, said) of each."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(read, [image for _, image in pictures]))
    return [(letter, one) for (letter, _), one in zip(pictures, said, strict=True)]


def mixed_up(answers: list[tuple[str, str | None]], group: str) -> float:
    """The share of a group's pictures that are read as another of its letters."""
    of_group = [(letter, said) for letter, said in answers if letter in group]
    return float(
        np.mean([said is not None and said in group and said != letter for letter, said in of_group])
    )


def ways(
    checkpoint: Checkpoint, look: "CropViews", crops: Crops | None, plain: bool
) -> Iterator[tuple[str, Read]]:
    """Name, and picture -> letter."""
    palms = MediaPipePalmDetector()

    def reads(
        say: Say, find: PalmDetector = palms, kind: type[HandSearch] = HandSearch, upright: bool = False
    ) -> Read:
        engine, spec = engine_of(look, say), replace(spec_of(checkpoint), reads_upright=upright)
        reader = HandReader(engine, spec)
        reader.search = kind(engine, spec, find)
        return lambda image: reader.read(image).letter

    model = checkpoint.model
    shipped = saying(model, model.reading, trunk_share=None)
    yield "ResNet alone", reads(saying(model, model.reading, trunk_share=1))
    if plain:
        yield "both, and upright", reads(shipped, upright=True)
        return
    yield "landmark features alone", reads(saying(model, model.reading, trunk_share=0))
    yield "both", reads(shipped)
    yield "both, and upright (shipped)", reads(shipped, upright=True)
    yield (
        "landmark features alone, and upright",
        reads(saying(model, model.reading, trunk_share=0), upright=True),
    )
    yield "both, one look", reads(shipped, kind=OneView)
    yield "both, no palm detector: the whole picture first", reads(shipped, find=no_palms)
    mirrored = reads(shipped, upright=True)
    yield (
        "both, and upright, every picture mirrored",
        lambda image: mirrored(np.ascontiguousarray(image[:, ::-1])),
    )
    if crops is None:
        return
    rows = np.flatnonzero(~np.isin(crops.source, checkpoint.training["left_out"]))
    made_hand = (crops.picture[rows] == NO_PICTURE) & (crops.presence[rows] == 1)
    for name, of, some in (
        ("fitted anew", crops, rows),
        ("fitted to a tenth of the crops", crops, rows[::10]),
        ("fitted without made hands", crops, rows[~made_hand]),
        ("fitted to labels of which a tenth is wrong", with_wrong_labels(crops, 0.1), rows),
    ):
        reading = HandReading()
        fit_reading(reading, features_of(model.hand, of, some), of, some, seed=0)
        yield f"landmark features alone, {name}", reads(saying(model, reading, trunk_share=0))


def features_of(hand: HandNetwork, crops: Crops, rows: np.ndarray) -> torch.Tensor:
    """(N, 1152) that this network has of those crops, its last blocks as they have learned."""
    some = np.array_split(rows, -(-len(rows) // 256))
    with torch.no_grad():
        return torch.cat([hand.last_blocks(late_maps(crops, few, upright=False))[0] for few in some])


def with_wrong_labels(crops: Crops, share: float) -> Crops:
    """That share of the letters exchanged among each other."""
    letter, rng = np.array(crops.letter), np.random.default_rng(0)
    wrong = np.flatnonzero((letter >= 0) & (rng.random(len(letter)) < share))
    letter[wrong] = letter[rng.permutation(wrong)]
    return replace(crops, letter=letter)


CropViews = Callable[
    [Array], tuple[Array, ...]
]  # a square -> moments (1, 1536), landmark features (1, 1152), points
Say = Callable[
    [torch.Tensor, torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor]
]  # ... -> letters, presence


def saying(model: AslNet, reading: HandReading, trunk_share: float | None) -> Say:
    """What the two parts say of the letter; None: as the shipped network weighs them.

    Presence is theirs together in any case: which hands count as found is not in question.
    """

    def say(moments: torch.Tensor, seen: torch.Tensor, upright: bool) -> tuple[torch.Tensor, torch.Tensor]:
        if upright:
            return model.upright.answer(model.upright(seen))
        by_trunk, presence_trunk, _ = split_answers(model.trunk.fc(moments))
        by_hand, presence_hand = reading.answer(reading(seen))
        letters = (
            together(by_trunk, by_hand)
            if trunk_share is None
            else trunk_share * by_trunk + (1 - trunk_share) * by_hand
        )
        return letters, together(presence_trunk, presence_hand)

    return say


def engine_of(look: CropViews, say: Say) -> Engine:
    def engine(tensor: Array, upright: bool = False) -> Output:
        moments, seen, landmarks = look(tensor)
        with torch.inference_mode():
            letters, presence = say(torch.from_numpy(moments), torch.from_numpy(seen), upright)
        return Output(letters.numpy(), presence[:, 0].numpy(), landmarks)

    return engine


class Components(nn.Module):
    """(1, 3, S, S) -> what both last layers are given, and the points; the ResNet sees as many px as it was
    trained with."""

    def __init__(self, model: AslNet, trunk_px: int) -> None:
        super().__init__()
        inner_px = SIZE_PX - 2 * BORDER_PX
        means = cv2.resize(
            np.eye(inner_px, dtype=np.float32), (inner_px, trunk_px), interpolation=cv2.INTER_AREA
        )
        self.model, self.means = model, torch.from_numpy(means)  # (T, 192)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen, landmarks = self.model.hand(x * self.model.std + self.model.mean)
        shown = self.means @ x[:, :, BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] @ self.means.T
        return self.model.trunk.avgpool(self.model.maps(shown)[-1]), seen, landmarks


def looked(checkpoint: Checkpoint) -> CropViews:
    """Through onnxruntime, one thread, so that many pictures are read at a time."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older exporter, as export.to_onnx has it
        path = Path(folder) / "parts.onnx"
        example = torch.zeros(1, 3, SIZE_PX, SIZE_PX)
        torch.onnx.export(
            Components(checkpoint.model, (checkpoint.size_px - 2 * BORDER_PX) // 2).eval(),
            (example,),
            str(path),
            input_names=["image"],
            opset_version=OPSET,
            dynamo=False,
        )
        session = open_session(path, threads=1, spinning=False, advice="")
    return lambda tensor: session.run(None, {"image": tensor})


def spec_of(checkpoint: Checkpoint) -> ModelSpec:
    return ModelSpec(
        size_px=SIZE_PX,  # of the landmark network, whatever the ResNet sees of it
        temperature=checkpoint.temperature,
        presence_threshold=checkpoint.presence_threshold,
    )


if __name__ == "__main__":
    main()
