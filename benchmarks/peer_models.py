"""Models of the peers: the network at 224 px for each runtime, a small network on hand landmarks per fold."""

import csv
import json
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from peer_ways import SIZE_PX, normalise_landmarks
from torch import nn
from torchvision.models import resnet18

from edge.package import Package
from edge.records import LETTERS

HIDDEN, EPOCHS, BATCH = 128, 60, 512


def write_networks(models: Path, pnnx: Path) -> None:
    """Write an untrained ResNet-18 for each runtime, once per folder; it is as fast as a trained one."""
    if (models / "resnet18.ncnn.bin").exists():
        return
    torch.manual_seed(0)
    model, example = resnet18(num_classes=len(LETTERS)).eval(), torch.zeros(1, 3, SIZE_PX, SIZE_PX)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            str(models / "resnet18.onnx"),
            input_names=["image"],
            opset_version=13,
            dynamo=False,
        )
        torch.jit.trace(model, example).save(str(models / "resnet18.pt"))
        quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, torch.qint8)
        torch.jit.save(torch.jit.trace(quantised, example), str(models / "resnet18.dynamic.pt"))
    if pnnx.exists():
        shape = f"inputshape=[1,3,{SIZE_PX},{SIZE_PX}]"
        subprocess.run([pnnx, "resnet18.pt", shape], cwd=models, check=True, stdout=subprocess.DEVNULL)


def write_packages(models: Path, folds: dict[str, Package]) -> None:
    """Write packages.json: the package that reads the people of each fold."""
    folders = {fold: str(package.folder.resolve()) for fold, package in folds.items()}
    (models / "packages.json").write_text(json.dumps(folders))


def write_points_networks(models: Path, manifest: Path, left_out: dict[str, Sequence[str]]) -> None:
    """Write points.npz: per fold a network of one hidden layer, trained on landmarks of other sources."""
    rows = [row for row in csv.DictReader(manifest.open()) if row["letter"] in LETTERS and row["hand0_x"]]
    landmarks = np.stack(
        [
            normalise_landmarks(
                np.array([[row[f"hand{i}_x"], row[f"hand{i}_y"]] for i in range(21)], np.float32)
            )
            for row in rows
        ]
    )
    letters = np.array([LETTERS.index(row["letter"]) for row in rows])
    sources = np.array([row["source"] for row in rows])
    weights = {}
    for fold, unseen in left_out.items():
        known = ~np.isin(sources, list(unseen))
        layers = _train(landmarks[known], letters[known])
        for number, layer in ((1, layers[0]), (2, layers[2])):
            weights[f"{fold} w{number}"] = layer.weight.detach().numpy().T
            weights[f"{fold} b{number}"] = layer.bias.detach().numpy()
    np.savez(models / "points.npz", **weights)


def _train(landmarks: np.ndarray, letters: np.ndarray) -> nn.Sequential:
    torch.set_num_threads(1)  # more threads gain nothing for so small a network
    torch.manual_seed(0)
    x, y = torch.from_numpy(landmarks), torch.from_numpy(letters)
    model = nn.Sequential(nn.Linear(landmarks.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(LETTERS)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            seen = x[rows].reshape(-1, 21, 2)
            angle = torch.randn(len(rows)) * 0.2  # hands are rotated a little
            rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(-1, 2, 2)
            seen = (seen @ rotation).reshape(len(rows), -1) + 0.02 * torch.randn(len(rows), 42)
            loss = nn.functional.cross_entropy(model(seen), y[rows], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return model.eval()
