"""Ablations: what each part of the shipped recipe is worth on people that the networks have not seen.

    python benchmarks/parts.py CHECKPOINT... [--pictures 150] [--crops FOLDER] [--data MANIFEST]

Each checkpoint of `fit` reads whole pictures of the sources that its training left out, in float32, as a
device does, each time with one part left out or replaced. With --crops the landmark head is also fitted
again, to fewer or other crops. --plain measures only the ResNet alone and both parts together, and the time
of an inference: for the runs of training_parts.sh.
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
from train.fit.landmark_head import fit_landmark_head, middle_maps
from train.model.checkpoint import Checkpoint, load_checkpoint
from train.model.landmark_network import HandNetwork
from train.model.landmarker import SIZE_PX
from train.model.network import BORDER_PX, AslNet, LandmarkHead, combine_logits, split_outputs

Read = Callable[[Image], str | None]
LOOK_ALIKES = ("MNST", "AE", "URV", "KP", "GQ", "DZ", "IJ")


class OneView(HandSearch):
    """View the found square only, without a closer view."""

    def zoom_in(
        self, image: Image, square: Square, rotation_rad: float | None = None, quick: bool = False
    ) -> list[View]:
        return [self.view(image, square, rotation_rad)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=150, help="pictures per source")
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--only", help="measure only rows whose name contains this text")
    args = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    predictions: dict[str, list[tuple[str, str | None]]] = {}  # by ablation: (letter, predicted)
    views: dict[str, CropViews] = {}  # by checkpoint
    for path in args.checkpoints:
        checkpoint = load_checkpoint(path)
        unseen = checkpoint.training["left_out"]
        if not unseen:
            raise SystemExit(f"{path} was trained on every source: nothing unseen is left to measure on")
        pictures = {source: pictures_of(args.data, source, args.pictures, seed=1) for source in unseen}
        crops = open_crops(args.crops) if args.crops else None
        views[path.parent.name] = view = open_parts(checkpoint)
        for name, read in list_ablations(checkpoint, view, crops, args.plain):
            if args.only and args.only not in name:
                continue
            label = f"{path.parent.name}: {name}" if args.plain else name
            for source, some in pictures.items():
                pairs = read_all(read, some)
                accuracy = float(np.mean([predicted == letter for letter, predicted in pairs]))
                table.setdefault(label, {})[source] = accuracy
                predictions.setdefault(label, []).extend(pairs)
    print_tables(table, predictions, args.pictures)
    print("\none inference in float32, one thread, alternating")
    for label, cost_ms in measure_ms(views).items():
        print(f"| {label} | {cost_ms:.1f} ms |")


def print_tables(
    table: dict[str, dict[str, float]],
    predictions: dict[str, list[tuple[str, str | None]]],
    n_pictures: int,
) -> None:
    """Print the accuracy by source, and the letters mistaken for a look-alike, of each ablation."""
    sources = sorted({source for accuracies in table.values() for source in accuracies})
    print(f"letters right in whole pictures, not found is wrong; up to {n_pictures} of each unseen source")
    print(f"| | {' | '.join(sources)} | mean |\n|---|{'---|' * (len(sources) + 1)}")
    for label, accuracies in table.items():
        cells = [f"{accuracies[source]:.1%}" if source in accuracies else "" for source in sources]
        print(f"| {label} | {' | '.join(cells)} | {np.mean(list(accuracies.values())):.1%} |")
    print("\nread as another of the same group")
    print(f"| | {' | '.join('/'.join(group) for group in LOOK_ALIKES)} |\n|---|{'---|' * len(LOOK_ALIKES)}")
    for label, pairs in predictions.items():
        cells = [f"{count_mistaken(pairs, group):.1%}" for group in LOOK_ALIKES]
        print(f"| {label} | {' | '.join(cells)} |")


def measure_ms(views: dict[str, "CropViews"], rounds: int = 40) -> dict[str, float]:
    """Return the median milliseconds of an inference by checkpoint."""
    square = np.zeros((1, 3, SIZE_PX, SIZE_PX), np.float32)
    spent_s: dict[str, list[float]] = {label: [] for label in views}
    for _ in range(rounds):
        for label, view in views.items():
            started = time.perf_counter()
            view(square)
            spent_s[label].append(time.perf_counter() - started)
    return {label: float(np.median(some)) * 1000 for label, some in spent_s.items()}


def read_all(read: Read, pictures: list[tuple[str, Image]]) -> list[tuple[str, str | None]]:
    """Return (letter, predicted letter) of each picture."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        predicted = list(pool.map(read, [image for _, image in pictures]))
    return [(letter, one) for (letter, _), one in zip(pictures, predicted, strict=True)]


def count_mistaken(pairs: list[tuple[str, str | None]], group: str) -> float:
    """Return the fraction of a group's pictures that are read as another of its letters."""
    of_group = [(letter, predicted) for letter, predicted in pairs if letter in group]
    return float(np.mean([(predicted or "?") in set(group) - {letter} for letter, predicted in of_group]))


def list_ablations(
    checkpoint: Checkpoint, view: "CropViews", crops: Crops | None, plain: bool
) -> Iterator[tuple[str, Read]]:
    """Yield the name of each ablation, and a function from picture to letter."""
    palms = MediaPipePalmDetector()

    def reads(
        classify: Classify,
        find: PalmDetector = palms,
        search_type: type[HandSearch] = HandSearch,
        upright: bool = False,
    ) -> Read:
        engine = make_engine(view, classify)
        spec = replace(make_spec(checkpoint), reads_upright=upright)
        reader = HandReader(engine, spec)
        reader.search = search_type(engine, spec, find)
        return lambda image: reader.read(image).letter

    model = checkpoint.model
    shipped = weigh_parts(model, model.reading, trunk_weight=None)
    yield "ResNet alone", reads(weigh_parts(model, model.reading, trunk_weight=1))
    if plain:
        yield "both, and upright", reads(shipped, upright=True)
        return
    yield "landmark features alone", reads(weigh_parts(model, model.reading, trunk_weight=0))
    yield "both", reads(shipped)
    yield "both, and upright (shipped)", reads(shipped, upright=True)
    yield (
        "landmark features alone, and upright",
        reads(weigh_parts(model, model.reading, trunk_weight=0), upright=True),
    )
    yield "both, one look", reads(shipped, search_type=OneView)
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
        ("fitted to labels of which a tenth is wrong", exchange_labels(crops, 0.1), rows),
    ):
        head = LandmarkHead()
        fit_landmark_head(head, compute_features(model.hand, of, some), of, some, seed=0)
        yield f"landmark features alone, {name}", reads(weigh_parts(model, head, trunk_weight=0))


def compute_features(hand: HandNetwork, crops: Crops, rows: np.ndarray) -> torch.Tensor:
    """Return (N, 1152) features of these crops, computed by the finetuned last blocks."""
    some = np.array_split(rows, -(-len(rows) // 256))
    with torch.no_grad():
        return torch.cat([hand.last_blocks(middle_maps(crops, few, upright=False))[0] for few in some])


def exchange_labels(crops: Crops, fraction: float) -> Crops:
    """Exchange this fraction of the letters among each other."""
    letter, rng = np.array(crops.letter), np.random.default_rng(0)
    wrong = np.flatnonzero((letter >= 0) & (rng.random(len(letter)) < fraction))
    letter[wrong] = letter[rng.permutation(wrong)]
    return replace(crops, letter=letter)


# a square -> moments (1, 1536), landmark features (1, 1152), landmarks
CropViews = Callable[[Array], tuple[Array, ...]]
# moments, features, whether the square was turned -> letters, presence
Classify = Callable[[torch.Tensor, torch.Tensor, bool], tuple[torch.Tensor, torch.Tensor]]


def weigh_parts(model: AslNet, head: LandmarkHead, trunk_weight: float | None) -> Classify:
    """Weigh the two parts' letters by `trunk_weight`, or as the shipped network does if it is None.

    Presence always comes from both, so that the same hands count as found.
    """

    def classify(
        moments: torch.Tensor, seen: torch.Tensor, upright: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if upright:
            return model.upright.classify(model.upright(seen))
        by_trunk, presence_trunk, _ = split_outputs(model.trunk.fc(moments))
        by_hand, presence_hand = head.classify(head(seen))
        letters = (
            combine_logits(by_trunk, by_hand)
            if trunk_weight is None
            else trunk_weight * by_trunk + (1 - trunk_weight) * by_hand
        )
        return letters, combine_logits(presence_trunk, presence_hand)

    return classify


def make_engine(view: CropViews, classify: Classify) -> Engine:
    def engine(tensor: Array, upright: bool = False) -> Output:
        moments, seen, landmarks = view(tensor)
        with torch.inference_mode():
            letters, presence = classify(torch.from_numpy(moments), torch.from_numpy(seen), upright)
        return Output(letters.numpy(), presence[:, 0].numpy(), landmarks)

    return engine


class Components(nn.Module):
    """(1, 3, S, S) -> the inputs of both last layers, and the landmarks.

    The ResNet reads pictures of the size that it was trained with.
    """

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


def open_parts(checkpoint: Checkpoint) -> CropViews:
    """Run through onnxruntime with one thread, so that many pictures can be read at a time."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the exporter without dynamo, as in export.to_onnx
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


def make_spec(checkpoint: Checkpoint) -> ModelSpec:
    return ModelSpec(
        size_px=SIZE_PX,  # of the landmark network, whatever size the ResNet reads
        temperature=checkpoint.temperature,
        presence_threshold=checkpoint.presence_threshold,
    )


if __name__ == "__main__":
    main()
