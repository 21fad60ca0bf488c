"""Draw a latency card as a histogram of frame times and curves over time. Needs matplotlib."""

from pathlib import Path

import numpy as np

from edge.bench.card import Card
from edge.bench.measure import BenchRun
from edge.bench.stopwatch import ROW
from edge.errors import SettingsError, not_installed

BLUE, GREY, RED = "#1f5fa8", "#8a8a8a", "#c23b22"


def check_matplotlib() -> None:
    """Raise SettingsError if matplotlib is missing, to be called before the measurement."""
    try:
        import matplotlib  # noqa: F401  an extra that devices don't install
    except ImportError:
        raise not_installed("--plot", "matplotlib", "plot") from None


def draw(card: Card, measured: BenchRun, path: Path) -> None:
    """Write the figure to a PNG file. Raises SettingsError if the file can't be written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    histogram, curve = figure.subplots(1, 2)
    total_ms = 1000 * measured.table[:, ROW.index("frame_to_letter")]
    edge_ms = float(np.percentile(total_ms, 99.5))
    bins = np.linspace(0, edge_ms, 60)
    histogram.hist(total_ms.clip(0, edge_ms), bins=bins, color=BLUE)
    for name, style in (("p50", "-"), ("p95", "--"), ("p99", ":")):
        value = card["whole"]["frame_to_letter"][name]
        histogram.axvline(value, color="black", linestyle=style, linewidth=1, label=f"{name} {value:.1f} ms")
    histogram.set(xlabel="frame to letter, ms", ylabel="frames", xlim=(0, edge_ms))
    histogram.legend(frameon=False)
    parts = card["over_time"]
    times = [part["t_s"] for part in parts]
    curve.plot(
        times, [part["hand_ms"] or np.nan for part in parts], color=BLUE, label="hand found and read, ms"
    )
    curve.plot(times, [part["frames_per_s"] for part in parts], color=GREY, label="frames read per second")
    curve.set(xlabel="seconds", xlim=(0, max(measured.span_s, 1)), ylim=(0, None))
    if any(part["temperature_c"] for part in parts):
        curve.plot(
            times, [part["temperature_c"] or np.nan for part in parts], color=RED, label="temperature, C"
        )
    curve.set_ylim(0, 1.35 * curve.get_ylim()[1])  # room for the legend
    curve.legend(frameon=False, loc="upper right")
    machine = card["machine"]
    held_back = ", throttled" if card["held_back"] else ""
    figure.suptitle(f"{machine['board'] or machine['name']}: {machine['cpu']}{held_back}")
    for axes in (histogram, curve):
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise SettingsError(f"the plot can't be written to {path}: {error.strerror}") from None
