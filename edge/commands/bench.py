"""`asl-edge bench`: measure the loop on this device, and compare the latency cards of several devices.

In edge/bench, measure.py runs the loop, card.py describes the result, compare.py and tune.py use it.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.bench.card import MAX_BYTES, make_card, read_card, write_card
from edge.bench.card_text import format_card
from edge.bench.compare import compare_cards
from edge.bench.measure import measure
from edge.bench.plot import check_matplotlib, draw
from edge.bench.stopwatch import ROW, Stopwatch
from edge.bench.tune import tune
from edge.commands.flags import CAMERA, MODEL, add_settings, load_settings
from edge.errors import SettingsError, os_errors_as
from edge.printable import hide_password, printable
from edge.settings import Settings
from edge.system.stdout import say

DEFAULT_CAMERA = "synthetic:HI"
DEFAULT_DURATION_S = 30.0
MAX_DURATION_S = 86_400.0
PROGRESS_S = 0.5  # between two progress lines


@dataclass(frozen=True)
class BenchOptions:
    """The flags that are not settings."""

    duration_s: float = DEFAULT_DURATION_S
    json: Path | None = None
    plot: Path | None = None
    tune: Path | None = None  # the settings file to write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration",
        type=float,
        metavar="S",
        default=DEFAULT_DURATION_S,
        help=f"seconds to measure (default: {DEFAULT_DURATION_S:g})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the latency card")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the card as a PNG (needs matplotlib)")
    parser.add_argument(
        "--tune",
        action="store_true",
        help="try every variant and number of threads, write the best to --config",
    )
    parser.add_argument(
        "--compare", type=Path, nargs="+", metavar="CARD", help="print cards side by side and measure nothing"
    )
    add_settings(parser, (*MODEL, "thread_spinning", *CAMERA))


def main(arguments: argparse.Namespace) -> int:
    if arguments.compare:
        compare(arguments.compare)
        return 0
    if arguments.tune and not arguments.config:
        raise SettingsError("--tune writes to a settings file: name one with --config FILE")
    tuned = arguments.config
    if arguments.tune and not os.path.exists(tuned):  # noqa: PTH110  never raises, unlike Path.exists
        arguments.config = None  # a new file
    settings = load_settings(arguments)
    if arguments.config is None:  # the default camera may not be plugged in
        settings = replace(settings, camera=arguments.camera or DEFAULT_CAMERA)
    bench(
        settings,
        BenchOptions(arguments.duration, arguments.json, arguments.plot, tuned if arguments.tune else None),
    )
    return 0


def bench(settings: Settings, options: BenchOptions) -> None:
    """Measure, print the table, and write the files that the options name."""
    if not 0 < options.duration_s <= MAX_DURATION_S:
        raise SettingsError(
            f"--duration must be more than 0 and at most {MAX_DURATION_S:.0f} s, got {options.duration_s:g}"
        )
    if options.plot:
        check_matplotlib()
    for path in (options.json, options.plot):
        _check_writable(path)
    settings = replace(settings, skip_still_frames=False)  # measure every frame
    stop = _stop_at_signals()
    if options.tune:
        best = tune(settings, options.tune, stop, say).settings
        spinning = "on" if best.thread_spinning else "off"
        say(f"written to {options.tune}: {best.variant}, threads {best.threads}, spinning {spinning}")
        return
    progress = _Progress(settings, options.duration_s)
    measured = measure(settings, options.duration_s, stop, progress)
    progress.end()
    card = make_card(measured, settings)
    say(*format_card(card))
    if options.json:
        write_card(card, options.json)
    if options.plot:
        draw(card, measured, options.plot)


def compare(paths: list[Path]) -> None:
    """Print the cards side by side."""
    cards = [read_card(path) for path in paths]
    try:
        lines = compare_cards(cards, [str(path) for path in paths])
    except (LookupError, TypeError, AttributeError, ValueError):
        names = ", ".join(str(path) for path in paths)
        raise SettingsError(f"a card of {names} is incomplete: measure again") from None
    while not lines[-1]:
        del lines[-1]
    say(*lines)


def _check_writable(path: Path | None) -> None:
    """Raise SettingsError if the file can't be written, before minutes are spent on measuring."""
    if path is None:
        return
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingsError(f"{path} can't be written: name a file in a folder that exists and is writable")
    with os_errors_as(SettingsError, f"{path} can't be written"):
        if path.exists() and not path.is_file():  # a device
            path.write_bytes(b"\n")
            return
        if path.exists():
            path.open("ab").close()
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(MAX_BYTES))
            probe.flush()


def _stop_at_signals() -> threading.Event:
    """Return an event that Ctrl-C sets, which ends the measuring early and still prints the result."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


class _Progress:
    """One line on standard error, if that is a terminal."""

    def __init__(self, settings: Settings, duration_s: float) -> None:
        self._duration_s, self._shown_s = duration_s, 0.0
        self._is_terminal = sys.stderr.isatty()
        if self._is_terminal:
            print(
                f"asl-edge: opening {hide_password(printable(settings.camera))}",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def __call__(self, span_s: float, watch: Stopwatch | None) -> None:
        if not self._is_terminal or watch is None or span_s - self._shown_s < PROGRESS_S:
            return
        self._shown_s = span_s
        rows = np.array(watch.rows[-30 * len(ROW) :]).reshape(-1, len(ROW))
        hand_ms = 1000 * float(np.median(rows[:, ROW.index("hand")])) if len(rows) else 0.0
        frames = len(watch.rows) // len(ROW)
        text = f"{span_s:.0f} of {self._duration_s:.0f} s, {frames} frames, {hand_ms:.1f} ms a frame"
        print(f"\r\x1b[Kasl-edge: {text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
