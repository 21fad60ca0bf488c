"""The latency card: the measurements of `asl-edge bench` as one JSON value.

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
from edge.build import open_settings_package
from edge.errors import SettingsError, os_errors_as
from edge.package import METADATA_NAME, compute_sha256
from edge.settings import Settings
from edge.system.atomic_files import replaced_file
from edge.system.board import BoardReading, describe_throttling
from edge.system.bounded_files import parse_json, read_bounded
from edge.system.machine import describe

CARD_VERSION = 1
MAX_BYTES = 1_000_000  # of a card; one has 20,000
HOW_TO_MAKE = "write one with asl-edge bench --json FILE"
PERCENTILES = ("p50", "p95", "p99")
COLD_S, SUSTAINED_S = 30.0, 60.0  # the first and the last part of a run that is long enough for both
PARTS = 60  # points of the curve over time
Card = dict[str, Any]


def make_card(measured: BenchRun, settings: Settings) -> Card:
    """Return the card of a run. The values in `whole`, `cold` and `sustained` are in ms."""
    table, package = measured.table, open_settings_package(settings)
    inferences = np.maximum(table[:, ROW.index("inferences")], 1)
    is_long = measured.span_s >= COLD_S + SUSTAINED_S
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
            "camera": settings.camera.partition(":")[0],  # without the private name of a file or device
            "fps": settings.fps,
            "engine": package.runtime(settings.variant),
            "variant": settings.variant,
            "ran_on": measured.ran_on,
            "threads": settings.threads,
            "spinning": settings.thread_spinning,
        },
        "span_s": round(measured.span_s, 1),
        "whole": _stages(table),
        "cold": _stages(table[table[:, 0] < COLD_S]) if is_long else None,
        "sustained": _stages(table[table[:, 0] > measured.span_s - SUSTAINED_S]) if is_long else None,
        "frames": {
            "read": len(table),
            "dropped": measured.dropped,
            "searched": int((table[:, ROW.index("find")] > 0).sum()),
            "offered_per_s": round((len(table) + measured.dropped) / measured.span_s, 2),
            "read_per_s": round(len(table) / measured.span_s, 2),
            "looks_per_frame": round(float(inferences.mean()), 2),
            "reading_ms": round(1000 * float(np.median(table[:, ROW.index("inference")] / inferences)), 3),
            "letters": measured.letters,
        },
        "cpu_s_per_minute_of_video": round(60 * measured.cpu_s / max(measured.video_s, 1e-9), 2),
        "memory_mb": {"peak": round(measured.peak_mb, 1), "steady": round(measured.steady_mb, 1)},
        "start_to_first_frame_s": _rounded(measured.first_frame_s),
        "start_to_first_letter_s": _rounded(measured.first_letter_s),
        "held_back": describe_throttling(measured.readings),
        "over_time": _over_time(measured),
        "own_cost": {
            "share": round(measured.own_fraction, 5),
            "us_per_frame": round(1e6 * measured.stopwatch_cost_s, 1),
            "instruments_s": round(measured.sampling_cost_s, 3),
            "known_by": "stopwatch: timed over 2000 empty steps; instruments: the clock of their thread",
        },
    }


def write_card(card: Card, path: Path) -> None:
    """Write the card as JSON. Raises SettingsError if the file can't be written."""
    with os_errors_as(SettingsError, f"the card can't be written to {path}"):
        text = json.dumps(card, indent=1) + "\n"
        if path.exists() and not path.is_file():  # a device
            path.write_text(text, encoding="utf-8")
            return
        with replaced_file(path) as partial:
            partial.write_text(text, encoding="utf-8")


def read_card(path: Path) -> Card:
    """Read a card. Raises SettingsError if the file is no card, is incomplete or has another version."""
    try:
        with os_errors_as(SettingsError, f"{path} can't be read"):
            card = parse_json(read_bounded(path, MAX_BYTES))
    except ValueError:
        raise SettingsError(f"{path} is not a latency card: {HOW_TO_MAKE}") from None
    version = card.get("card_version") if isinstance(card, dict) else None
    if version is None:
        raise SettingsError(f"{path} is not a latency card: {HOW_TO_MAKE}")
    if version != CARD_VERSION:
        raise SettingsError(
            f"{path} is a card of version {version!r}; this asl-edge reads version {CARD_VERSION}: measure "
            "again, or install the asl-edge that wrote it"
        )
    required = {"machine", "package", "settings", "whole", "frames", "memory_mb", "cpu_s_per_minute_of_video"}
    if missing := required - set(card):
        raise SettingsError(f"{path} is an incomplete card, '{min(missing)}' is missing: measure again")
    return dict(card)


def _stages(table: npt.NDArray[np.float64]) -> Card:
    return {stage: _spread(1000 * table[:, ROW.index(stage)]) for stage in STAGES}


def _spread(values_ms: npt.NDArray[np.float64]) -> Card:
    """Return the number of values, their percentiles and their maximum, in ms."""
    values_ms = values_ms[values_ms >= 0]  # -1: no letter, so the sinks were not called
    if not len(values_ms):
        return {"n": 0, **dict.fromkeys((*PERCENTILES, "max"))}
    p50, p95, p99 = (round(float(x), 3) for x in np.percentile(values_ms, (50, 95, 99)))
    return {"n": len(values_ms), "p50": p50, "p95": p95, "p99": p99, "max": round(float(values_ms.max()), 3)}


def _over_time(measured: BenchRun) -> list[Card]:
    """Return frame rate, medians and the nearest board readings for equal parts of the run."""
    step_s = max(1.0, measured.span_s / PARTS)
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


def _nearest(readings: list[BoardReading], t_s: float) -> BoardReading | None:
    return min(readings, key=lambda reading: abs(reading.t_s - t_s)) if readings else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
