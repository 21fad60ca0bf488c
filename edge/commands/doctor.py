"""`asl-edge doctor`: a table of what is installed, which cameras there are, and whether the model works.

Libraries are imported inside functions, because a broken installation must be a row of the table.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import importlib.util
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands.flags import CAMERA, add_settings, load_settings
from edge.errors import AslEdgeError, CameraError
from edge.system.stdout import say

if TYPE_CHECKING:
    from edge.cameras import Camera
    from edge.personalize.taught_file import TaughtFile
    from edge.settings import Settings

MEASURE_S = 6.0  # a camera's state says `frozen` or `black` after 5 s
SLOW = 0.8  # a camera is slow below this fraction of the frame rate that was asked for


@dataclass(frozen=True)
class Finding:
    """One row of the table; `ok` is None for an optional part that is absent."""

    what: str
    ok: bool | None
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, (*CAMERA, "model", "variant", "provider", "state_dir"))


def main(arguments: argparse.Namespace) -> int:
    """Print the table, of the camera alone if --camera names one. Return 1 if a row says BAD."""
    if arguments.camera:
        from edge.build import build_camera

        settings = load_settings(arguments)
        with build_camera(settings, threading.Event()) as camera:
            lines, ok = examine_camera(camera, settings.fps)
    else:
        lines, ok = examine(load_settings(arguments))
    say(*lines)
    return 0 if ok else 1


def examine(settings: "Settings") -> tuple[list[str], bool]:
    """Return the table's lines, and whether asl-edge can run here."""
    findings = [*_installed(), *_cameras(), *_package(settings)]
    width = max(len(finding.what) for finding in findings)
    marks = {True: "ok ", False: "BAD", None: "-  "}
    lines = [f"{finding.what:<{width}}  {marks[finding.ok]}  {finding.text}" for finding in findings]
    return lines, all(finding.ok is not False for finding in findings)


def examine_camera(camera: "Camera", fps: float) -> tuple[list[str], bool]:
    """Read an open camera for some seconds. Return the table's lines, and whether the camera is well.

    Raises CameraError if it gives fewer than two frames.
    """
    indices, times, brightness = [], [], []
    shape: tuple[int, ...] = ()
    end_s = float("inf")
    for frame in camera:
        if frame is not None:
            indices.append(frame.index)
            times.append(frame.t)
            brightness.append(float(frame.image[::8, ::8].mean()))
            shape = frame.image.shape
            end_s = min(end_s, time.monotonic() + MEASURE_S)
        if time.monotonic() > end_s:
            break
    if len(times) < 2:
        frames = f"only {len(times)} frame" if times else "no frame"
        raise CameraError(f"{camera.state().name} delivered {frames}: check its cable")
    # count the frames that the camera offered, also those that were dropped here
    real_fps = (indices[-1] - indices[0]) / (times[-1] - times[0])
    state = camera.state()
    fault = state.problem and f"it {state.problem}"
    if not fault and real_fps < SLOW * fps:
        fault = f"{fps:g} frames/s were asked for: give it more light or its own USB port, or ask for less"
    mean = sum(brightness) / len(brightness)
    lines = [
        f"camera      {state.name}: {state.status}",
        f"pictures    {shape[1]}x{shape[0]} px, mean brightness {mean:.0f} of 255",
        f"frames/s    {real_fps:.1f} over {times[-1] - times[0]:.1f} s",
        f"verdict     {'BAD: ' + fault if fault else 'ok'}",
    ]
    return lines, not fault


def _installed() -> Iterator[Finding]:
    yield Finding("Python", True, f"{platform.python_version()} on {platform.machine()}")
    with contextlib.suppress(ImportError):
        import edge.engines.onnx  # noqa: F401  imports onnxruntime without its warning about a GPU
    for name, module in (("numpy", "numpy"), ("onnxruntime", "onnxruntime"), ("OpenCV", "cv2")):
        try:
            version = importlib.import_module(module).__version__
        except ImportError as error:  # absent, or installed for another Python, numpy or glibc
            yield Finding(name, False, f"can't be imported ({error}): install asl-edge again")
        else:
            yield Finding(name, True, version if name != "onnxruntime" else f"{version}{_providers()}")
    if importlib.util.find_spec("torch") is None:
        yield Finding("torch", None, "not installed (optional: for --variant dynamic)")
    else:
        yield Finding("torch", True, importlib.metadata.version("torch"))


def _providers() -> str:
    """Return the words about onnxruntime's providers; whether one works, only a run tells."""
    try:
        from edge.engines.gpu import list_compiled_in
    except ImportError:  # OpenCV or numpy has a row that says so
        return ""
    return f", built for {', '.join(list_compiled_in())}"


def _cameras() -> Iterator[Finding]:
    try:
        from edge.cameras.found import find_cameras
    except ImportError:  # OpenCV has a row that says so
        return
    cameras = find_cameras()
    for camera in cameras:
        text = f"{camera.name}  {camera.text}"
        if camera.problem:
            yield Finding("camera", None, f"{text}; {camera.problem}")
        else:
            yield Finding("camera", True, text)
    if not cameras:
        yield Finding("camera", None, "none found (replay: and synthetic: need none)")


def _package(settings: "Settings") -> Iterator[Finding]:
    try:
        from edge.package import open_package
    except ImportError:  # OpenCV or numpy has a row that says so
        return
    try:
        package = open_package(Path(settings.model), settings.signers)
    except AslEdgeError as error:
        yield Finding("model", False, str(error))
        return
    yield Finding("model", True, f"{package.folder}: every file is as it was packaged")
    from edge.engines import open_engine
    from edge.engines.golden import check_golden
    from edge.models import DEFAULT_PROVIDER
    from edge.personalize.taught_file import locate_taught_file

    for variant in package.files:
        runtime = package.runtime(variant)
        row = f"engine {runtime}"
        if runtime == "torchscript" and variant != settings.variant:
            yield Finding(row, None, f"{variant}: not tried, because TorchScript can read and write files")
            continue
        if runtime == "torchscript" and importlib.util.find_spec("torch") is None:
            yield Finding(row, None, f"{variant}: not tried, torch is not installed")
            continue
        provider = settings.provider if variant == settings.variant else DEFAULT_PROVIDER
        try:
            engine = open_engine(package, variant, provider=provider)
            difference = check_golden(engine, package, variant)
        except AslEdgeError as error:
            yield Finding(row, False, f"{variant}: {error}")
        else:
            answer = f"gives its golden answer (largest difference {difference:.3f})"
            yield Finding(row, True, f"{variant} on {engine.ran_on}: {answer}")
        yield from _taught(locate_taught_file(package, variant, settings.state_dir))


def _taught(file: "TaughtFile") -> Iterator[Finding]:
    """Yield no row if nothing was taught."""
    from edge.records import LETTERS

    try:
        examples = file.load()
    except AslEdgeError as error:
        yield Finding("taught", False, str(error))
        return
    if examples is not None:
        letters = ", ".join(LETTERS[i] for i in sorted(set(examples.letters.tolist())))
        yield Finding("taught", True, f"{len(examples.letters)} examples of {letters}: {file.path}")
