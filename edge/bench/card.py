"""The latency card: what `asl-edge bench` found, as one JSON value, and the table that a person reads.

{"card_version": 1, "machine": {...}, "package": {...}, "whole": {stage: {"p50": ms, ...}}, ...}
"""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import __version__
from edge.bench.measure import BenchRun
from edge.bench.stopwatch import ROW, STAGES
from edge.errors import SettingsError, os_errors_as
from edge.package import METADATA_NAME, compute_sha256, open_package
from edge.settings import Settings
from edge.system.board import Reading, said_of
from edge.system.machine import describe

CARD_VERSION = 1
PERCENTILES = ("p50", "p95", "p99")
COLD_S, SUSTAINED_S = 30.0, 60.0  # the first and the last seconds of a run that has both
POINTS = 60  # of the curve over time
NAMES = {
    "camera": "waiting for the camera",
    "hand": "hand found, followed",
    "find": "  of it: finding palms",
    "preprocess": "  of it: preprocessing",
    "inference": "  inference",
    "decode": "  decoding",
    "sinks": "sinks",
    "frame_to_letter": "frame to letter",
}
Card = dict[str, Any]


def card_of(measured: BenchRun, settings: Settings) -> Card:
    """Everything that a comparison needs; keys without a unit in `whole`, `cold`, `sustained` are ms."""
    table, package = measured.table, open_package(Path(settings.model))
    looks = np.maximum(table[:, ROW.index("looks")], 1)
    both = measured.span_s >= COLD_S + SUSTAINED_S
    return {
        "card_version": CARD_VERSION,
        "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "asl_edge": __version__,
        "machine": describe(),
        "package": {
            "input_px": package.size_px,
            "metadata_sha256": compute_sha256(package.folder / METADATA_NAME),
            "file": package.file(settings.variant).name,
            "sha256": compute_sha256(package.file(settings.variant)),
        },
        "settings": {
            "camera": settings.camera.partition(":")[0],  # a name of a file or a device is nobody's business
            "fps": settings.fps,
            "engine": package.runtime(settings.variant),
            "variant": settings.variant,
            "threads": settings.threads,
            "spinning": settings.thread_spinning,
        },
        "span_s": round(measured.span_s, 1),
        "whole": _stages(table),
        "cold": _stages(table[table[:, 0] < COLD_S]) if both else None,
        "sustained": _stages(table[table[:, 0] > measured.span_s - SUSTAINED_S]) if both else None,
        "frames": {
            "read": len(table),
            "dropped": measured.dropped,
            "searched": int((table[:, ROW.index("find")] > 0).sum()),
            "offered_per_s": round((len(table) + measured.dropped) / measured.span_s, 2),
            "read_per_s": round(len(table) / measured.span_s, 2),
            "looks_per_frame": round(float(looks.mean()), 2),
            "reading_ms": round(1000 * float(np.median(table[:, ROW.index("inference")] / looks)), 3),
            "letters": measured.letters,
        },
        "cpu_s_per_minute_of_video": round(60 * measured.cpu_s / max(measured.video_s, 1e-9), 2),
        "memory_mb": {"peak": round(measured.peak_mb, 1), "steady": round(measured.steady_mb, 1)},
        "start_to_first_frame_s": _rounded(measured.first_frame_s),
        "start_to_first_letter_s": _rounded(measured.first_letter_s),
        "held_back": said_of(measured.readings),
        "over_time": _over_time(measured),
        "own_cost": {
            "share": round(measured.own_share, 5),
            "us_per_frame": round(1e6 * measured.turn_cost_s, 1),
            "instruments_s": round(measured.instruments_cost_s, 3),
            "known_by": "stopwatch: timed over 2000 empty turns; instruments: their thread's own clock",
        },
    }


def write_card(card: Card, path: Path) -> None:
    """SettingsError where the file can't be written."""
    with os_errors_as(SettingsError, f"the card can't be written to {path}"):
        path.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def read_card(path: Path) -> Card:
    """SettingsError where the file is no card, or one of a version that this asl-edge does not know."""
    try:
        with os_errors_as(SettingsError, f"{path} can't be read"):
            card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise SettingsError(f"{path} is no latency card: write one with asl-edge bench --json FILE") from None
    version = card.get("card_version") if isinstance(card, dict) else None
    if version is None:
        raise SettingsError(f"{path} is no latency card: write one with asl-edge bench --json FILE")
    if version != CARD_VERSION:
        raise SettingsError(
            f"{path} is a card of version {version!r}; this asl-edge reads version {CARD_VERSION}: measure "
            "again, or install the asl-edge that wrote it"
        )
    wanted = {"machine", "package", "settings", "whole", "frames", "memory_mb", "cpu_s_per_minute_of_video"}
    if missing := wanted - set(card):
        raise SettingsError(f"{path} is an incomplete card, '{min(missing)}' is missing: measure again")
    return dict(card)


def table_of(card: Card) -> list[str]:
    """The lines that `asl-edge bench` prints, at most 80 columns wide."""
    machine, settings, frames, own = card["machine"], card["settings"], card["frames"], card["own_cost"]
    whole = [("", card["whole"])]
    parts = [(f"first {COLD_S:.0f} s", card["cold"]), (f"last {SUSTAINED_S:.0f} s", card["sustained"])]
    columns = parts if card["cold"] else whole
    width = 7
    lines = [
        f"{(machine['board'] or machine['name'])[:38]}: {machine['cpu'][:32]}, {machine['cores']} cores",
        f"{settings['engine']} {settings['variant']} at {card['package']['input_px']} px, threads"
        f" {settings['threads']}, spinning {'on' if settings['spinning'] else 'off'}; {settings['camera']},"
        f" {card['span_s']:.0f} s",
        "",
    ]
    if card["cold"]:
        lines.append(" " * 22 + "".join(f"{title:>{4 * width}}" for title, _ in columns))
    heads = "".join(f"{head:>{width}}" for head in (*PERCENTILES, "max"))
    lines.append(f"{'ms':<22}" + heads * len(columns))
    for stage in STAGES:
        cells = "".join(_cells(part[stage], width) for _, part in columns)
        lines.append(f"{NAMES[stage]:<22}{cells}")
    memory = card["memory_mb"]
    lines += [
        "",
        f"frames a second       {frames['offered_per_s']:.1f} offered, {frames['read_per_s']:.1f} read,"
        f" {frames['dropped']} dropped of {frames['read'] + frames['dropped']}",
        f"readings a frame      {frames['looks_per_frame']:.2f}; {frames['searched']} frames were searched"
        " for a hand",
        f"processor             {card['cpu_s_per_minute_of_video']:.1f} s a minute of video",
        f"memory                {memory['peak']:.0f} MB at most, {memory['steady']:.0f} MB steady",
        f"since the start       first frame after {_seconds(card['start_to_first_frame_s'])}, first letter"
        f" {_seconds(card['start_to_first_letter_s'])}, {frames['letters']} letters",
        *_board_lines(card),
        f"own cost              {own['share']:.2%} of the processor's time: {own['us_per_frame']:.0f} us a"
        f" frame",
        "                      (timed over 2000 empty turns), and reading the instruments",
    ]
    return lines


def _board_lines(card: Card) -> list[str]:
    points = card["over_time"]
    lines = []
    for key, name, unit in (("temperature_c", "temperature", "C"), ("clock_mhz", "clock", "MHz")):
        values = [point[key] for point in points if point[key] is not None]
        if values:
            lines.append(
                f"{name:<22}{values[0]:.0f} {unit} at first, {values[-1]:.0f} at the end,"
                f" {min(values):.0f} to {max(values):.0f}"
            )
    if not lines:
        lines.append("temperature, clock    this machine tells neither")
    said = card["held_back"]
    lines.append(f"throttled             {'yes' if said else 'no sign of it'}")
    lines += [f"                      {words[:56]}" for words in said]
    return lines


def _stages(table: npt.NDArray[np.float64]) -> Card:
    return {stage: _spread(1000 * table[:, ROW.index(stage)]) for stage in STAGES}


def _spread(values_ms: npt.NDArray[np.float64]) -> Card:
    values_ms = values_ms[values_ms >= 0]  # a sink without a letter was not called
    if not len(values_ms):
        return {"n": 0, **dict.fromkeys((*PERCENTILES, "max"))}
    p50, p95, p99 = (round(float(x), 3) for x in np.percentile(values_ms, (50, 95, 99)))
    return {"n": len(values_ms), "p50": p50, "p95": p95, "p99": p99, "max": round(float(values_ms.max()), 3)}


def _over_time(measured: BenchRun) -> list[Card]:
    """The run in equal parts: frames a second and medians of each, what the board said then."""
    step_s = max(1.0, measured.span_s / POINTS)
    points = []
    for number in range(max(1, int(measured.span_s / step_s))):
        from_s, to_s = number * step_s, (number + 1) * step_s
        part = measured.table[(measured.table[:, 0] >= from_s) & (measured.table[:, 0] < to_s)]
        reading = _nearest(measured.readings, (from_s + to_s) / 2)
        points.append(
            {
                "t_s": round(from_s, 1),
                "frames_per_s": round(len(part) / step_s, 2),
                "hand_ms": _spread(1000 * part[:, ROW.index("hand")])["p50"],
                "inference_ms": _spread(1000 * part[:, ROW.index("inference")])["p50"],
                "temperature_c": reading and _rounded(reading.temperature_c),
                "clock_mhz": reading and _rounded(reading.clock_mhz),
                "held_back": list(reading.slowed) if reading else [],
            }
        )
    return points


def _nearest(readings: list[Reading], t_s: float) -> Reading | None:
    return min(readings, key=lambda reading: abs(reading.t_s - t_s)) if readings else None


def _cells(spread: Card, width: int) -> str:
    return "".join(f"{_ms(spread[name]):>{width}}" for name in (*PERCENTILES, "max"))


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
