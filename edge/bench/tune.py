"""`asl-edge bench --tune`: try variants, numbers of threads and spinning, and write the best to the settings.

A variant with a lower accuracy than the current one is not tried. The package holds the accuracy at export.
"""

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bench.measure import measure
from edge.bench.stopwatch import ROW
from edge.bench.tuned_file import read_text, write_tuned
from edge.errors import SettingsError
from edge.package import Package, open_package
from edge.settings import Settings

TRIAL_S = 5.0
WARM_UP_S = 1.0  # of each trial, not counted
NEARLY = 1.05  # trials at most this many times slower than the fastest are equally good; the cheapest wins
MAX_THREADS = 8


@dataclass(frozen=True)
class Trial:
    """One way to run, and its cost."""

    settings: Settings
    hand_ms: float  # median time to find or follow the hand and read it
    cpu_s_per_minute: float


def tune(
    settings: Settings,
    path: Path,
    stop: threading.Event,
    say: Callable[[str], None],
    seconds: float = TRIAL_S,
) -> Trial:
    """Try every way and write the best to the settings file `path`. Raises SettingsError if `stop` is set."""
    text = read_text(path)
    package = open_package(Path(settings.model))
    ways, left_out = candidates(settings, package)
    for reason in left_out:
        say(reason)
    say(f"{'variant':<9}{'threads':>8}{'spinning':>10}{'hand, ms':>10}{'CPU s a minute':>16}")
    trials = []
    for way in ways:
        measured = measure(way, seconds, stop)
        if stop.is_set():
            raise SettingsError(f"stopped before every way was tried; {path} is unchanged")
        table = measured.table[measured.table[:, 0] > min(WARM_UP_S, measured.span_s / 4)]
        hand_ms = 1000 * float(np.median(table[:, ROW.index("hand")]))
        trials.append(Trial(way, hand_ms, 60 * measured.cpu_s / max(measured.video_s, 1e-9)))
        say(_format(trials[-1]))
    best = best_of(trials)
    note = f"{best.hand_ms:.2f} ms a frame, {best.cpu_s_per_minute:.1f} s of the processor a minute"
    write_tuned(path, text, best.settings, note)
    return best


def candidates(settings: Settings, package: Package) -> tuple[list[Settings], list[str]]:
    """Return the ways to try, and a sentence for each variant that is left out."""
    current = settings.variant
    accuracy = accuracy_by_variant(package.metadata)
    ways, left_out = [], []
    for variant in package.files:
        if package.runtime(variant) == "torchscript" and importlib.util.find_spec("torch") is None:
            left_out.append(f"{variant} is not tried: PyTorch is not installed")
        elif variant != current and not accuracy.get(variant, -1.0) >= accuracy.get(current, 0.0):
            left_out.append(
                f"{variant} is not tried: {_percent(accuracy.get(variant))} of pictures right at export, "
                f"{_percent(accuracy.get(current))} with {current}"
            )
        else:
            ways += [
                replace(settings, variant=variant, threads=threads, thread_spinning=spinning)
                for threads, spinning in _thread_choices()
            ]
    return ways, left_out


def accuracy_by_variant(metadata: dict[str, Any]) -> dict[str, float]:
    """Return the accuracy at export, 0 to 1, on the signers that the network knows least."""
    found: dict[str, float] = {}
    for section in [*metadata.get("leave_one_out", []), *metadata.get("accuracy", [])]:
        for variant, scores in section["variants"].items():
            if scores.get("accuracy") is not None:
                found.setdefault(variant, float(scores["accuracy"]))
    return found


def best_of(trials: list[Trial]) -> Trial:
    """Return the cheapest of the trials that are nearly as fast as the fastest."""
    fastest_ms = min(trial.hand_ms for trial in trials)
    good = [trial for trial in trials if trial.hand_ms <= NEARLY * fastest_ms]
    return min(good, key=lambda trial: trial.cpu_s_per_minute)


def _thread_choices() -> Iterator[tuple[int, bool]]:
    """Yield (threads, spinning). A single thread never waits, so spinning makes no difference to it."""
    for threads in range(1, min(len(os.sched_getaffinity(0)), MAX_THREADS) + 1):
        yield threads, False
        if threads > 1:
            yield threads, True


def _format(trial: Trial) -> str:
    way = trial.settings
    return (
        f"{way.variant:<9}{way.threads:>8}{'on' if way.thread_spinning else 'off':>10}{trial.hand_ms:>10.2f}"
        f"{trial.cpu_s_per_minute:>16.1f}"
    )


def _percent(accuracy: float | None) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.1%}"
