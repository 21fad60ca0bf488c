"""`asl-edge bench --tune`: find the fastest variant, number of threads and thread spinning for this device.

Variants that are less accurate than the current one, or not measured, are not tried. The accuracy is that at
export, from the package.
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
from edge.build import open_settings_package
from edge.errors import PackageError, SettingsError
from edge.models import DEFAULT_PROVIDER
from edge.package import Package
from edge.settings import Settings

TRIAL_S = 5.0
WARM_UP_S = 1.0  # at the start of each trial, not counted
TIE_FACTOR = 1.05  # of the trials that take at most this many times as long as the fastest, the cheapest wins
MAX_THREADS = 8


@dataclass(frozen=True)
class Trial:
    """A candidate's settings, speed and cost."""

    settings: Settings
    hand_ms: float  # median time to find or track the hand and predict its letter
    cpu_s_per_minute: float


def tune(
    settings: Settings,
    path: Path,
    stop: threading.Event,
    say: Callable[[str], None],
    seconds: float = TRIAL_S,
) -> Trial:
    """Measure every candidate and write the best to the settings file `path`.

    Raises SettingsError, and leaves the file unchanged, if `stop` is set.
    """
    text = read_text(path)
    package = open_settings_package(settings)
    candidates, reasons = list_candidates(settings, package)
    for reason in reasons:
        say(reason)
    say(f"{'variant':<9}{'threads':>8}{'spinning':>10}{'hand, ms':>10}{'CPU s a minute':>16}")
    trials = []
    for candidate in candidates:
        measured = measure(candidate, seconds, stop)
        if stop.is_set():
            raise SettingsError(f"stopped before every candidate was measured; {path} is unchanged")
        table = measured.table[measured.table[:, 0] > min(WARM_UP_S, measured.span_s / 4)]
        hand_ms = 1000 * float(np.median(table[:, ROW.index("hand")]))
        trials.append(Trial(candidate, hand_ms, 60 * measured.cpu_s / max(measured.video_s, 1e-9)))
        say(_format(trials[-1]))
    best = choose_best(trials)
    note = f"{best.hand_ms:.2f} ms a frame, {best.cpu_s_per_minute:.1f} s of the processor a minute"
    write_tuned(path, text, best.settings, note)
    return best


def list_candidates(settings: Settings, package: Package) -> tuple[list[Settings], list[str]]:
    """Return the settings to try, and for each variant that is left out a sentence with the reason."""
    current = settings.variant
    try:
        accuracy = read_accuracy(package.metadata)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PackageError(f"{package.folder} holds no accuracy that can be read: {error!r}") from None
    candidates, reasons = [], []
    for variant in package.files:
        if package.runtime(variant) == "torchscript" and variant != current:
            reasons.append(f"{variant} is not tried: TorchScript runs only if --variant names it")
        elif package.runtime(variant) == "torchscript" and settings.provider != DEFAULT_PROVIDER:
            reasons.append(f"{variant} is not tried: it does not run on {settings.provider}")
        elif package.runtime(variant) == "torchscript" and importlib.util.find_spec("torch") is None:
            reasons.append(f"{variant} is not tried: PyTorch is not installed")
        elif variant != current and not accuracy.get(variant, -1.0) >= accuracy.get(current, 0.0):
            reasons.append(
                f"{variant} is not tried: {_percent(accuracy.get(variant))} of pictures right at export, "
                f"{_percent(accuracy.get(current))} with {current}"
            )
        else:
            candidates += [
                replace(settings, variant=variant, threads=threads, thread_spinning=spinning)
                for threads, spinning in _thread_choices()
            ]
    return candidates, reasons


def read_accuracy(metadata: dict[str, Any]) -> dict[str, float]:
    """Return the accuracy of each variant at export, 0..1: on unseen signers if it was measured on some."""
    by_variant: dict[str, float] = {}
    for section in [*metadata.get("leave_one_out", []), *metadata.get("accuracy", [])]:
        for variant, metrics in section["variants"].items():
            if metrics.get("accuracy") is not None:
                by_variant.setdefault(variant, float(metrics["accuracy"]))
    return by_variant


def choose_best(trials: list[Trial]) -> Trial:
    """Return the trial that takes the least processor time of those that are nearly the fastest."""
    fastest_ms = min(trial.hand_ms for trial in trials)
    tied = [trial for trial in trials if trial.hand_ms <= TIE_FACTOR * fastest_ms]
    return min(tied, key=lambda trial: trial.cpu_s_per_minute)


def _thread_choices() -> Iterator[tuple[int, bool]]:
    """Yield (threads, spinning). A single thread never waits for others, so it is tried without spinning."""
    for threads in range(1, min(len(os.sched_getaffinity(0)), MAX_THREADS) + 1):
        yield threads, False
        if threads > 1:
            yield threads, True


def _format(trial: Trial) -> str:
    settings = trial.settings
    return (
        f"{settings.variant:<9}{settings.threads:>8}{'on' if settings.thread_spinning else 'off':>10}"
        f"{trial.hand_ms:>10.2f}{trial.cpu_s_per_minute:>16.1f}"
    )


def _percent(accuracy: float | None) -> str:
    return "not measured" if accuracy is None else f"{accuracy:.1%}"
