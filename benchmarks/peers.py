"""Compare asl-edge with its peers from a 640x480 frame to a letter, on the same pictures: `make peers`.

    peers.py PHOTOGRAPHS [--fold PACKAGE...] [--pictures 300] [--threads 2] [--output FOLDER]

PHOTOGRAPHS holds asl-frames/manifest.csv. Each --fold is a package that was trained without some sources and
is measured on their pictures. Without a fold the shipped package is measured, which was trained on all
sources; the table says so. Every picture becomes FRAMES frames of a trembling hand: in the first the hand
must be searched, in the others it may be followed. The pipelines run on the same processors, alternating by
frame.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
sys.path[:0] = [str(HERE), str(TOP)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402  the checkout is put on the path above
from peer_floor import count_multiply_adds, measure_peak  # noqa: E402
from peer_models import write_networks, write_packages, write_points_networks  # noqa: E402

from edge.engines.golden import measure_inference_ms  # noqa: E402
from edge.engines.onnx import OnnxEngine  # noqa: E402
from edge.hand.palm_detector import MODEL_FILE as PALM_DETECTOR  # noqa: E402
from edge.models import DEFAULT_MODEL  # noqa: E402
from edge.package import Package, open_package  # noqa: E402
from edge.pictures import read_picture  # noqa: E402
from edge.records import LETTERS, Image  # noqa: E402
from edge.system.machine import describe  # noqa: E402

WIDTH, HEIGHT = 640, 480
FRAMES = 5  # per picture
TREMBLE_PX = 3
SEEN = "everybody"  # the fold of a package that was trained on all sources
VENVS = {"ncnn_float": ".venv-peers", "openvino_int8": ".venv-peers", "mediapipe": ".venv-mediapipe"}
TITLES = {
    "original": "1 the original script, eager",
    "torchscript": "2 the same as TorchScript",
    "onnx_float": "3 onnxruntime float, 224 px",
    "ncnn_float": "4 ncnn float, 224 px",
    "openvino_int8": "5 OpenVINO, our int8",
    "mediapipe": "6 MediaPipe Hands + network",
    "ours": "7 asl-edge, int8",
}
UNTRAINED = ("original", "torchscript", "onnx_float", "ncnn_float")


@dataclass
class Peer:
    """The process of a pipeline and its results; `letters` are those of first frames."""

    name: str
    process: subprocess.Popen[str]
    first_ms: list[float] = field(default_factory=list)
    later_ms: list[float] = field(default_factory=list)
    letters: list[str | None] = field(default_factory=list)
    memory_mb: float = 0.0

    def ask(self, frame: int, fold: str, new: bool) -> dict[str, float | str | None]:
        """Read one frame; raise RuntimeError if the process has ended."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"frame": frame, "fold": fold, "new": new}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)


def main() -> None:
    """Measure, print the table, and write peers.json and peers.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--fold", type=Path, action="append", default=[])
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--output", type=Path, default=Path("build/peers"))
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])  # and so for every peer
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    folds = {package_fold(package): package for package in map(open_package, args.fold or [DEFAULT_MODEL])}
    manifest = args.photographs / "asl-frames" / "manifest.csv"
    rows = chosen_rows(manifest, folds, args.pictures)
    write_networks(args.output, TOP / ".venv-peers/lib" / python_folder() / "site-packages/pnnx/pnnx")
    write_packages(args.output, folds)
    write_points_networks(args.output, manifest, {fold: sources_of(fold) for fold in folds})
    with tempfile.TemporaryDirectory() as folder:
        frames = write_frames(Path(folder) / "frames.npy", manifest.parent, rows)
        peers = [peer for name in TITLES if (peer := started(name, args.output, frames, args.threads))]
        measure(peers, rows)
    for peer in peers:
        peer.process.stdin.close()  # type: ignore[union-attr]
        peer.process.wait()
    report(peers, rows, folds, args.output, args.threads)


def package_fold(package: Package) -> str:
    """Return the names of the sources that training left out, joined, or SEEN if there are none."""
    return "+".join(package.metadata.get("training", {}).get("left_out", [])) or SEEN


def sources_of(fold: str) -> list[str]:
    return [] if fold == SEEN else fold.split("+")


def chosen_rows(manifest: Path, folds: dict[str, Package], wanted: int) -> list[dict[str, str]]:
    """Choose rows evenly over letters and sources, each with the fold that has not seen its source."""
    by_class: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in csv.DictReader(manifest.open()):
        fold = next((fold for fold in folds if fold == SEEN or row["source"] in sources_of(fold)), None)
        if row["letter"] in LETTERS and fold:
            by_class.setdefault((row["source"], row["letter"]), []).append({**row, "fold": fold})
    rng = np.random.default_rng(0)
    chosen: list[dict[str, str]] = []
    order = [rng.permutation(len(rows)) for rows in by_class.values()]
    for depth in range(max(map(len, order))):
        level = [rows[o[depth]] for rows, o in zip(by_class.values(), order, strict=True) if depth < len(o)]
        chosen += [level[i] for i in rng.permutation(len(level))]
    return chosen[:wanted]


def write_frames(path: Path, folder: Path, rows: list[dict[str, str]]) -> Path:
    """Write (pictures * FRAMES, 480, 640, 3): each picture as large as fits, trembling."""
    rng = np.random.default_rng(0)
    frames = np.lib.format.open_memmap(path, "w+", np.uint8, (len(rows) * FRAMES, HEIGHT, WIDTH, 3))
    for number, row in enumerate(rows):
        frame = fitted(read_picture(folder / row["file"]))
        for k in range(FRAMES):
            shift = rng.integers(-TREMBLE_PX, TREMBLE_PX + 1, 2) if k else (0, 0)
            frames[number * FRAMES + k] = np.roll(frame, shift, axis=(0, 1))
    frames.flush()
    return path


def fitted(image: Image) -> Image:
    """Return (480, 640, 3) with the picture in the middle and the rest black."""
    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    y, x = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
    frame[y : y + size[1], x : x + size[0]] = small
    return frame


def python_folder() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def started(name: str, models: Path, frames: Path, threads: int) -> Peer | None:
    """Start a pipeline's process; print a line and return None if its environment is missing."""
    python = TOP / VENVS[name] / "bin/python" if name in VENVS else Path(sys.executable)
    if not python.exists():
        print(f"{TITLES[name]} is left out: {VENVS[name]} is missing (make venv-peers)")
        return None
    command = [
        str(python),
        str(HERE / "peer_worker.py"),
        name,
        str(models.resolve()),
        str(frames),
        str(threads),
    ]
    log = (models / f"{name}.log").open("w")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
    if not process.stdout or not process.stdout.readline():
        print(f"{TITLES[name]} is left out: it does not start, see {models / f'{name}.log'}")
        return None
    return Peer(name, process)


def measure(peers: list[Peer], rows: list[dict[str, str]]) -> None:
    """Run every peer on every frame, in another order each time, after warming up on the first picture."""
    for peer in peers:
        for k in range(FRAMES):
            peer.ask(k, rows[0]["fold"], k == 0)
    for number, row in enumerate(rows):
        for k in range(FRAMES):
            first = (number * FRAMES + k) % len(peers)
            for peer in peers[first:] + peers[:first]:
                answer = peer.ask(number * FRAMES + k, row["fold"], k == 0)
                (peer.later_ms if k else peer.first_ms).append(float(answer["ms"] or 0))
                peer.memory_mb = float(answer["memory_mb"] or 0)
                if not k:
                    peer.letters.append(answer["letter"])  # type: ignore[arg-type]
        if sys.stderr.isatty():
            print(f"\r{number + 1} of {len(rows)} pictures", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)


def report(
    peers: list[Peer], rows: list[dict[str, str]], folds: dict[str, Package], output: Path, threads: int
) -> None:
    """Print the table and the lower bound, and write peers.json and peers.png."""
    machine = describe()
    split = (
        "5, 6 and 7 were trained on these signers: nothing follows for a new person"
        if SEEN in folds
        else f"signers unseen: {'; '.join(folds)} each left out"
    )
    print(f"{machine['cpu']}, {threads} threads each, {len(rows)} pictures, {len(rows) * FRAMES} frames")
    print(f"accuracy: {split}")
    table = [row_of(peer, rows, folds, output) for peer in peers]
    reference = next((row for row in table if row["name"] == "ours"), table[-1])
    print(f"{'':<30}{'search':>9}{'follow':>9}{'p95':>8}{'/ ours':>8}{'MB':>7}{'right':>8}")
    for row in table:
        right = "-" if row["right"] is None else f"{row['right']:.1%}"
        print(
            f"{TITLES[row['name']]:<30}{row['search_ms']:>9.2f}{row['follow_ms']:>9.2f}{row['p95_ms']:>8.1f}"
            f"{row['follow_ms'] / reference['follow_ms']:>8.2f}{row['model_mb']:>7.1f}{right:>8}"
        )
    print("median ms; search: a new scene, follow: the hand trembles; / ours: ratio of follow")
    print("1 to 4 have random weights and are there for their time; they have no accuracy")
    package = next(iter(folds.values()))
    lines = floor(package, threads)
    print("\n".join(lines))
    (output / "peers.json").write_text(
        json.dumps(
            {"machine": machine, "threads": threads, "split": split, "table": table, "floor": lines}, indent=1
        )
    )
    draw(table, split, output / "peers.png")


def row_of(
    peer: Peer, rows: list[dict[str, str]], folds: dict[str, Package], models: Path
) -> dict[str, object]:
    right = [said == row["letter"] for said, row in zip(peer.letters, rows, strict=True)]
    return {
        "name": peer.name,
        "search_ms": round(statistics.median(peer.first_ms), 3),
        "follow_ms": round(statistics.median(peer.later_ms), 3),
        "p95_ms": round(float(np.percentile(peer.later_ms, 95)), 3),
        "model_mb": round(model_mb(peer.name, folds, models), 1),
        "memory_mb": round(peer.memory_mb, 1),
        "right": None if peer.name in UNTRAINED else round(sum(right) / len(right), 4),
        "pictures": len(right),
    }


def model_mb(name: str, folds: dict[str, Package], models: Path) -> float:
    """Return the size of the model files that a device needs, without code."""
    package = next(iter(folds.values()))
    tasks = TOP / ".venv-mediapipe/lib" / python_folder() / "site-packages/mediapipe/modules"
    files = {
        "original": [models / "resnet18.dynamic.pt"],
        "torchscript": [models / "resnet18.dynamic.pt"],
        "onnx_float": [models / "resnet18.onnx"],
        "ncnn_float": [models / "resnet18.ncnn.param", models / "resnet18.ncnn.bin"],
        "mediapipe": [
            tasks / "palm_detection/palm_detection_full.tflite",
            tasks / "hand_landmark/hand_landmark_full.tflite",
            models / "points.npz",
        ],
    }.get(name, [package.file("int8"), PALM_DETECTOR])
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6


def floor(package: Package, threads: int) -> list[str]:
    """Return lines with the time of the network's multiplications alone, and of an inference."""
    engine = OnnxEngine(package, "int8", threads)
    inference_ms = measure_inference_ms(engine, package.size_px, 20, 200)
    macs, lines = count_multiply_adds(package.file("int8")), []
    for int8 in (True, False):
        rate = measure_peak(int8, threads)
        least_ms = 1000 * macs / rate
        lines.append(
            f"lower bound, {'int8' if int8 else 'float'}: {macs / 1e6:.0f} M multiply-adds at "
            f"{rate / 1e9:.0f} G/s take {least_ms:.2f} ms; an inference takes {inference_ms:.2f} ms, "
            f"{inference_ms / least_ms:.1f} times that"
        )
    return lines


def draw(table: list[dict[str, object]], split: str, path: Path) -> None:
    """Plot accuracy against latency; peers without an accuracy are on the axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.margins(x=0.35)
    for row in table:
        known = row["right"] is not None
        y = 100 * float(row["right"]) if known else 0.0  # type: ignore[arg-type]
        colour = "#c23b22" if row["name"] == "ours" else "#1f5fa8" if known else "#8a8a8a"
        axes.scatter([float(row["follow_ms"])], [y], color=colour, zorder=3, clip_on=False)
        axes.annotate(
            TITLES[str(row["name"])],
            (float(row["follow_ms"]), y),  # type: ignore[arg-type]
            xytext=(5, 20 if row["name"] == "ours" else 6),  # OpenVINO's label is beside it
            textcoords="offset points", fontsize=8, rotation=0 if known else 55,
        )  # fmt: skip
    axes.set(xscale="log", ylim=(0, 100), xlabel="frame to letter, ms, hand followed (median)")
    ticks = [
        ms for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500) if axes.get_xlim()[0] <= ms <= axes.get_xlim()[1]
    ]
    axes.set_xticks(ticks, [str(ms) for ms in ticks])
    axes.minorticks_off()
    axes.set_ylabel("letters right, %\n(grey: random weights, no accuracy)")
    axes.set_title(split, fontsize=9)
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path)


if __name__ == "__main__":
    main()
