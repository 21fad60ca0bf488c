"""`asl-edge bench`: measures the loop on this device, and compares what was measured on several.

measure.py runs the loop, card.py says what came of it, compare.py and tune.py use that.
"""

import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.bench.card import card_of, read_card, table_of, write_card
from edge.bench.compare import comparison
from edge.bench.measure import measure
from edge.bench.plot import check_matplotlib, draw
from edge.bench.stopwatch import ROW, Stopwatch
from edge.bench.tune import tune
from edge.errors import SettingsError
from edge.settings import Settings
from edge.system.stdout import say

USUAL_CAMERA = "synthetic:HI"
USUAL_S = 30.0
LONGEST_S = 86_400.0
SHOW_S = 0.5  # between two progress lines


@dataclass(frozen=True)
class BenchOptions:
    """What the command line asked for."""

    duration_s: float = USUAL_S
    json: Path | None = None
    plot: Path | None = None
    tune: Path | None = None  # the settings file to write


def bench(settings: Settings, wanted: BenchOptions) -> None:
    """Measures, prints the table, writes what was asked for."""
    if not 0 < wanted.duration_s <= LONGEST_S:
        raise SettingsError(
            f"--duration is {wanted.duration_s:g} s; more than 0 was wanted, and at most {LONGEST_S:.0f}"
        )
    if wanted.plot:
        check_matplotlib()
    for path in (wanted.json, wanted.plot):
        _check_place(path)
    # the time of a reading is asked for, so that every frame is read
    settings = replace(settings, rest_when_still=False)
    stop = _ended_by_signals()
    if wanted.tune:
        best = tune(settings, wanted.tune, stop, say).settings
        spinning = "on" if best.spinning else "off"
        say(f"written to {wanted.tune}: {best.variant}, threads {best.threads}, spinning {spinning}")
        return
    progress = _Progress(settings, wanted.duration_s)
    measured = measure(settings, wanted.duration_s, stop, progress)
    progress.end()
    card = card_of(measured, settings)
    say("\n".join(table_of(card)))
    if wanted.json:
        write_card(card, wanted.json)
    if wanted.plot:
        draw(card, measured, wanted.plot)


def compare(paths: list[Path]) -> None:
    """Prints the cards side by side."""
    cards = [read_card(path) for path in paths]
    try:
        lines = comparison(cards, [str(path) for path in paths])
    except (LookupError, TypeError, AttributeError, ValueError):
        names = ", ".join(str(path) for path in paths)
        raise SettingsError(f"a card of {names} is incomplete: measure again") from None
    say("\n".join(lines).rstrip())


def _check_place(path: Path | None) -> None:
    """Said before the measuring, which may take minutes."""
    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK)):
        raise SettingsError(
            f"{path} can't be written: name a file in a folder that exists and may be written"
        )


def _ended_by_signals() -> threading.Event:
    """Ctrl-C ends the measuring early; what was measured is still told."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


class _Progress:
    """One line on standard error, where a person looks at it."""

    def __init__(self, settings: Settings, duration_s: float) -> None:
        self._duration_s, self._shown_s = duration_s, 0.0
        self._seen = sys.stderr.isatty()
        if self._seen:
            print(f"asl-edge: opening {settings.camera}", end="", file=sys.stderr, flush=True)

    def __call__(self, span_s: float, watch: Stopwatch | None) -> None:
        if not self._seen or watch is None or span_s - self._shown_s < SHOW_S:
            return
        self._shown_s = span_s
        rows = np.array(watch.rows[-30 * len(ROW) :]).reshape(-1, len(ROW))
        hand_ms = 1000 * float(np.median(rows[:, ROW.index("hand")])) if len(rows) else 0.0
        frames = len(watch.rows) // len(ROW)
        said = f"{span_s:.0f} of {self._duration_s:.0f} s, {frames} frames, {hand_ms:.1f} ms a frame"
        print(f"\r\x1b[Kasl-edge: {said}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._seen:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
