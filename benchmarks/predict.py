"""Compare the time of `asl-edge predict` with that of the network alone.

    python benchmarks/predict.py FOLDER_OR_FILES... [--pictures 1000] [--rounds 3]

Prints the time of `asl-edge predict` for the photographs, of the bare onnxruntime session for one inference
per picture, and of the session for as many inferences as predict makes (a picture with a small hand needs
several), interleaved in one run; then the time and peak memory of predict for one picture.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import onnxruntime as ort

import edge  # first: it switches onnxruntime's telemetry off
from edge.engines.golden import golden_tensor
from edge.engines.onnx import OnnxEngine
from edge.hand.palm_detector import MediaPipePalmDetector
from edge.hand.reader import HandReader
from edge.models import DEFAULT_MODEL
from edge.package import UPRIGHT, open_package
from edge.pictures import SUFFIXES, read_picture
from edge.records import Array, Output


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    files = choose_files(args.files, args.pictures)
    threads = min(4, len(os.sched_getaffinity(0)))
    inferences = count_inferences(files)
    print(
        f"{len(files)} photographs, {threads} threads, {inferences / len(files):.2f} inferences per picture"
    )
    rounds = [
        (predict_s(files), session_s(len(files), threads), session_s(inferences, threads))
        for _ in range(args.rounds)
    ]
    predict, bare, bare_inferences = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"asl-edge predict                        {predict:7.2f} s")
    print(f"bare session, 1 inference a picture     {bare:7.2f} s   predict / bare = {predict / bare:.2f}")
    print(
        f"bare session, as many inferences        {bare_inferences:7.2f} s   predict / bare ="
        f" {predict / bare_inferences:.2f}"
    )
    ones = [predict_s(files[:1]) for _ in range(5)]
    memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"one picture, start to end               {statistics.median(ones):7.2f} s")
    print(f"peak memory of predict (largest run)    {memory_mb:7.0f} MB")
    print(f"onnxruntime {ort.__version__}, asl-edge {edge.__version__}")


def choose_files(paths: list[Path], wanted: int) -> list[Path]:
    """Choose files evenly from all that the paths hold; they are repeated if there are too few."""
    found = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    found = [file for file in found if file.suffix.lower() in SUFFIXES]
    if not found:
        raise SystemExit(f"no pictures in {', '.join(map(str, paths))}")
    step = max(1, len(found) // wanted)
    return list(islice(cycle(found[::step]), wanted))


def count_inferences(files: list[Path]) -> int:
    """Count the inferences that predict makes for these files."""
    package = open_package(DEFAULT_MODEL)
    engine, count = OnnxEngine(package, threads=1), 0

    def count_and_run(tensor: Array, upright: bool = False) -> Output:
        nonlocal count
        count += 1
        return engine(tensor, upright)

    reader = HandReader(count_and_run, package.spec, palm_detector=MediaPipePalmDetector())
    for file in files:
        reader.read(read_picture(file))
    return count


def predict_s(files: list[Path]) -> float:
    """Return the seconds from start to end of the program."""
    started = time.perf_counter()
    names = "\n".join(map(str, files)).encode()
    subprocess.run(
        [sys.executable, "-m", "edge", "predict", "-"], input=names, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - started


def session_s(readings: int, threads: int) -> float:
    """Return the seconds for this many runs of the bare session, without loading it.

    All settings but the number of threads are onnxruntime's defaults.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    package = open_package(DEFAULT_MODEL)
    session = ort.InferenceSession(str(package.file("int8")), options, providers=["CPUExecutionProvider"])
    shown = {"image": np.ascontiguousarray(golden_tensor(package.size_px)), UPRIGHT: np.zeros(1, np.float32)}
    for _ in range(20):
        session.run(None, shown)
    started = time.perf_counter()
    for _ in range(readings):
        session.run(None, shown)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
