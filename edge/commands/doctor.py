"""`asl-edge doctor`: what is installed, which cameras there are, does the model work here. A table."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import AslEdgeError, CameraError

if TYPE_CHECKING:
    from edge.cameras import Camera
    from edge.personalize.correction import Belongs
    from edge.settings import Settings

MEASURE_S = 6.0  # of a camera; frozen and black pictures are said after 5
SLOW = 0.8  # a camera that gives less of the frames that were asked for is slow
ODD = {
    "blind": "it gives no pictures any more: check its cable and plug",
    "frozen": "it gives the same picture again and again: plug it in again",
    "black": "its pictures are black: is the lens covered, or the light off?",
}


@dataclass(frozen=True)
class Finding:
    """One row; `well` is None where nothing is wrong with its absence."""

    what: str
    well: bool | None
    says: str


def examine(settings: Callable[[], "Settings"]) -> tuple[list[str], bool]:
    """The table's lines, and whether asl-edge can run here. Settings are asked for late: to read them takes
    what may be installed badly."""
    findings = [*_installed(), *_cameras(), *_package(settings)]
    width = max(len(finding.what) for finding in findings)
    marks = {True: "ok ", False: "BAD", None: "-  "}
    lines = [f"{finding.what:<{width}}  {marks[finding.well]}  {finding.says}" for finding in findings]
    return lines, all(finding.well is not False for finding in findings)


def examine_camera(camera: "Camera", fps: float) -> tuple[list[str], bool]:
    """Looks through an open camera for some seconds. What it gives, and what is wrong with that."""
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
        raise CameraError(f"{camera.state().name} gave {len(times)} pictures and then no more")
    # what it offered, not what was read of it: reading is not the camera's doing
    real_fps = (indices[-1] - indices[0]) / (times[-1] - times[0])
    state = camera.state()
    wrong = ODD.get(state.status, "")
    if not wrong and real_fps < SLOW * fps:
        wrong = f"{fps:g} frames/s were asked for: give it more light, a port of its own, or ask for less"
    mean = sum(brightness) / len(brightness)
    lines = [
        f"camera      {state.name}: {state.status}",
        f"pictures    {shape[1]}x{shape[0]} px, mean brightness {mean:.0f} of 255",
        f"frames/s    {real_fps:.1f} over {times[-1] - times[0]:.1f} s",
        f"verdict     {'BAD: ' + wrong if wrong else 'ok'}",
    ]
    return lines, not wrong


def _installed() -> Iterator[Finding]:
    yield Finding("Python", True, f"{platform.python_version()} on {platform.machine()}")
    with contextlib.suppress(ImportError):
        import edge.engines.onnx  # noqa: F401  imports onnxruntime without a warning that means nothing
    for name, module in (("numpy", "numpy"), ("onnxruntime", "onnxruntime"), ("OpenCV", "cv2")):
        try:
            version = importlib.import_module(module).__version__
        except ImportError as error:  # absent, or installed for another Python, numpy or glibc
            yield Finding(name, False, f"can't be imported ({error}): install asl-edge again")
        else:
            yield Finding(name, True, version)
    if importlib.util.find_spec("torch") is None:
        yield Finding("torch", None, "not installed (optional: for --engine torchscript)")
    else:
        yield Finding("torch", True, importlib.metadata.version("torch"))


def _cameras() -> Iterator[Finding]:
    try:
        from edge.cameras.usb import list_devices
    except ImportError:  # OpenCV is broken, and its row says so
        return
    found = list_devices()
    for device, name in found:
        yield Finding("camera", True, f"usb:{device}  {name}")
    if not found:
        yield Finding("camera", None, "none found (replay: and synthetic: need none)")


def _package(settings: Callable[[], "Settings"]) -> Iterator[Finding]:
    try:
        from edge.package import open_package

        wanted = settings()
    except ImportError:  # OpenCV or numpy is broken, and its row says so
        return
    try:
        package = open_package(Path(wanted.model))
    except AslEdgeError as error:
        yield Finding("model", False, str(error))
        return
    yield Finding("model", True, f"{package.folder}: every file is as it was packaged")
    from edge.engines import SUFFIX, open_engine
    from edge.engines.golden import check_golden
    from edge.personalize.correction import belongs_of

    for variant, file in package.files.items():
        name = next(engine for engine, suffix in SUFFIX.items() if suffix == file.suffix)
        row = f"engine {name}"
        if name == "torchscript" and importlib.util.find_spec("torch") is None:
            yield Finding(row, None, f"{variant}: not tried, torch is not installed")
            continue
        try:
            difference = check_golden(open_engine(name, package, variant), package, variant)
        except AslEdgeError as error:
            yield Finding(row, False, f"{variant}: {error}")
        else:
            yield Finding(
                row, True, f"{variant}: answers the golden input ({difference:.3f} from the export's)"
            )
        yield from _taught(belongs_of(package, variant, wanted.teach_folder))


def _taught(belongs: "Belongs") -> Iterator[Finding]:
    """Nothing where nothing was taught: most devices are not."""
    from edge.personalize.correction import load
    from edge.records import LETTERS

    try:
        examples = load(belongs)
    except AslEdgeError as error:
        yield Finding("taught", False, str(error))
        return
    if examples is not None:
        letters = ", ".join(LETTERS[i] for i in sorted(set(examples.letters.tolist())))
        yield Finding("taught", True, f"{len(examples.letters)} examples of {letters}: {belongs.path}")
