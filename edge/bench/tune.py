"""`asl-edge bench --tune`: variants, threads and spinning, each tried for some seconds -> the settings.

Never a variant that reads worse: the accuracy is what the package's metadata measured at export.
"""

import datetime
import importlib.util
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bench.measure import measure
from edge.bench.stopwatch import ROW
from edge.engines import DEFAULT_VARIANT, SUFFIX
from edge.errors import SettingsError, reason_of
from edge.package import Package, open_package
from edge.settings import RANGES, Settings, read_settings

SECONDS = 5.0  # each
WARM_UP_S = 1.0  # of them, not counted
NEARLY = 1.05  # so much slower than the fastest is as good, and the one that burns least of them is taken
MOST_THREADS = 8
WRITTEN = ("engine", "variant", "threads", "spinning")


@dataclass(frozen=True)
class Trial:
    """One way to run, and what it took."""

    settings: Settings
    hand_ms: float  # median, to find or follow the hand and read it
    cpu_s_per_minute: float


def tune(
    settings: Settings,
    path: Path,
    stop: threading.Event,
    say: Callable[[str], None],
    seconds: float = SECONDS,
) -> Trial:
    """Tries every way and writes the best to the settings file `path`. SettingsError where that can't be."""
    text = _text_of(path)
    package = open_package(Path(settings.model))
    ways, left_out = candidates(settings, package)
    for reason in left_out:
        say(reason)
    say(f"{'variant':<9}{'threads':>8}{'spinning':>10}{'hand, ms':>10}{'CPU s a minute':>16}")
    trials = []
    for way in ways:
        measured = measure(way, seconds, stop)
        if stop.is_set():
            raise SettingsError(f"stopped before every way was tried; {path} is as it was")
        table = measured.table[measured.table[:, 0] > min(WARM_UP_S, measured.span_s / 4)]
        hand_ms = 1000 * float(np.median(table[:, ROW.index("hand")]))
        trials.append(Trial(way, hand_ms, 60 * measured.cpu_s / max(measured.video_s, 1e-9)))
        say(_line(trials[-1]))
    best = best_of(trials)
    write_settings(path, text, best)
    return best


def candidates(settings: Settings, package: Package) -> tuple[list[Settings], list[str]]:
    """The ways to try, and a sentence for each variant that is left out."""
    usual = settings.variant or DEFAULT_VARIANT[settings.engine]
    known = accuracy_of(package.metadata)
    ways, left_out = [], []
    for variant, file in package.files.items():
        engine = next(name for name, suffix in SUFFIX.items() if suffix == file.suffix)
        if engine == "torchscript" and importlib.util.find_spec("torch") is None:
            left_out.append(f"{variant} is not tried: PyTorch is not installed")
        elif variant != usual and not known.get(variant, -1.0) >= known.get(usual, 0.0):
            left_out.append(
                f"{variant} is not tried: {_share(known.get(variant))} of pictures right at export, "
                f"{_share(known.get(usual))} with {usual}"
            )
        else:
            ways += [
                replace(settings, engine=engine, variant=variant, threads=threads, spinning=spinning)
                for threads, spinning in _threads()
            ]
    return ways, left_out


def accuracy_of(metadata: dict[str, Any]) -> dict[str, float]:
    """By variant: the share of right answers at export, on the most honest pictures of those measured."""
    sections = [*metadata.get("leave_one_out", []), *metadata.get("accuracy", [])]
    found: dict[str, float] = {}
    for section in sections:
        for variant, scores in section["variants"].items():
            if scores.get("accuracy") is not None:
                found.setdefault(variant, float(scores["accuracy"]))
    return found


def best_of(trials: list[Trial]) -> Trial:
    """Of those that are nearly as fast as the fastest, the one that costs least."""
    fastest_ms = min(trial.hand_ms for trial in trials)
    good = [trial for trial in trials if trial.hand_ms <= NEARLY * fastest_ms]
    return min(good, key=lambda trial: trial.cpu_s_per_minute)


def write_settings(path: Path, text: str, best: Trial) -> None:
    """Replaces the four keys in `text`, or adds them, and puts the file there in one step."""
    for key in WRITTEN:
        value = getattr(best.settings, key)
        line = f"{key} = {_toml(value)}"
        text, found = re.subn(rf"(?m)^[ \t]*{key}[ \t]*=[^#\n]*?(?=[ \t]*(#|$))", line, text)
        text = text if found else f"{text.rstrip()}\n{line}\n".lstrip("\n")
    text = re.sub(r"(?m)^# asl-edge bench --tune, .*\n", "", text)
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    note = f"# asl-edge bench --tune, {today}: {best.hand_ms:.2f} ms a frame, " + (
        f"{best.cpu_s_per_minute:.1f} s of the processor a minute\n"
    )
    text = re.sub(r"(?m)^threads = ", f"{note}threads = ", text, count=1)
    target = path.resolve()  # where the settings are a link, what it leads to is replaced
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, suffix=".toml")
        written = Path(name)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  it is open already
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            read_settings(written)  # never a file that `asl-edge run` would refuse
            written.chmod(mode)
            written.replace(target)
        except BaseException:
            written.unlink()
            raise
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {reason_of(error)}") from None


def _text_of(path: Path) -> str:
    """The settings file as it is; "" where there is none yet, but could be."""
    if not os.path.exists(path) and os.path.isdir(path.parent):  # noqa: PTH110, PTH112  they never raise
        return ""
    read_settings(path)
    return path.read_text(encoding="utf-8")


def _threads() -> Iterator[tuple[int, bool]]:
    """(threads, spinning). One thread alone waits for nobody, so that spinning means nothing to it."""
    most = min(len(os.sched_getaffinity(0)), MOST_THREADS, int(RANGES["threads"][1]))
    for threads in range(1, most + 1):
        yield threads, False
        if threads > 1:
            yield threads, True


def _line(trial: Trial) -> str:
    way = trial.settings
    return (
        f"{way.variant:<9}{way.threads:>8}{'on' if way.spinning else 'off':>10}{trial.hand_ms:>10.2f}"
        f"{trial.cpu_s_per_minute:>16.1f}"
    )


def _share(accuracy: float | None) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.1%}"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
