"""What Prometheus gets, and that the dashboard uses nothing else."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.predictions import prediction

from edge.observe.metrics import Metrics, ModelName
from edge.records import CameraState, CameraStatus, Frame, Hint, LetterEvent, LoopStep, Snapshot
from edge.system.board import read_temperature_c

MODEL = ModelName("2026-11-23", "ab" * 32, "int8")
DASHBOARD = Path(__file__).parents[2] / "docs/grafana.json"


def snapshot_of(
    number: int, status: CameraStatus = "live", letter: str = "", still: bool = False
) -> Snapshot:
    """The number-th step, a tenth of a second after the one before."""
    frame = Frame(np.zeros((8, 8, 3), np.uint8), number / 10, 2 * number)
    event = LetterEvent(letter, 0.9, 0.0, 0.5, letter) if letter else None
    camera = CameraState("usb:0", status, 3, 0.5, number)
    step = LoopStep(camera, frame, prediction("H", frame.t), event, 0.0 if still else 0.02, still)
    hint = Hint("", "") if letter else Hint("dark", "It is too dark.")
    t = time.monotonic()
    return Snapshot(number, t, step, frame, letter, hint, 10.0, 0.03, 0.01, (), 2 * number + 1, number)


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """By name and the labels' values."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_frames_letters_and_the_camera_are_counted() -> None:
    metrics = Metrics(MODEL)
    for snapshot in (
        snapshot_of(0),
        snapshot_of(1, letter="H"),
        snapshot_of(2, letter="I"),
        snapshot_of(3, "blind", "H"),
    ):
        metrics(snapshot)
    exposed = values(metrics)
    assert exposed["asl_edge_frames_offered_total",] == 7
    assert exposed["asl_edge_frames_read_total",] == 4
    assert exposed["asl_edge_frames_dropped_total",] == 3
    assert exposed["asl_edge_letters_total", "H"] == 2
    assert exposed["asl_edge_frames_without_letter_total", "dark"] == 1
    assert exposed["asl_edge_camera_restarts_total",] == 3
    assert (exposed["asl_edge_camera_state", "blind"], exposed["asl_edge_camera_state", "live"]) == (1, 0)
    assert exposed["asl_edge_reading_seconds_count",] == 4
    assert exposed["asl_edge_reading_seconds_bucket", "0.02"] == 4
    assert exposed["asl_edge_model_info", "2026-11-23", "ab" * 32, "int8"] == 1


def test_still_seconds_are_those_of_frames_that_were_not_read() -> None:
    metrics = Metrics(MODEL)
    for number, still in enumerate((False, True, True, False)):
        metrics(snapshot_of(number, still=still))
    exposed = values(metrics)
    assert exposed["asl_edge_still_seconds_total",] == pytest.approx(0.2)
    assert exposed["asl_edge_frames_read_total",] == exposed["asl_edge_reading_seconds_count",] == 2


def test_frame_age_grows_while_the_loop_hangs() -> None:
    metrics = Metrics(MODEL)
    metrics(replace(snapshot_of(0), t=time.monotonic() - 60))
    assert values(metrics)["asl_edge_frame_age_seconds",] >= 60


def test_counters_never_decrease_when_the_camera_is_reopened() -> None:
    metrics = Metrics(MODEL)
    metrics(snapshot_of(5))
    metrics(replace(snapshot_of(0), offered=0))
    assert values(metrics)["asl_edge_frames_dropped_total",] == 5


def test_what_the_page_counts_is_added_up() -> None:
    metrics = Metrics(MODEL)
    metrics.count_page({"wrong_tokens": 2, "requests_delayed": 1})
    metrics.count_page({"wrong_tokens": 3})
    exposed = values(metrics)
    assert exposed["asl_edge_page_wrong_tokens_total",] == 5
    assert exposed["asl_edge_page_requests_delayed_total",] == 1
    assert exposed["asl_edge_page_connections_closed_total",] == 0


def test_dashboard_uses_only_metrics_that_exist() -> None:
    metrics = Metrics(MODEL)
    metrics(snapshot_of(0, letter="H"))
    metrics(snapshot_of(1))
    exposed = set(re.findall(r"^(asl_edge_\w+)", metrics.text().decode(), re.MULTILINE))
    asked = set(re.findall(r"asl_edge_\w+", json.dumps(json.loads(DASHBOARD.read_text())["panels"])))
    assert asked - exposed <= {"asl_edge_temperature_celsius"}  # not every machine has a sensor
    assert len(asked) > 10


def test_temperature_is_the_warmest_zones_and_dead_zones_are_ignored(tmp_path: Path) -> None:
    for number, text in enumerate(("41250\n", "55000\n", "")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}/temp").write_text(text)
    assert read_temperature_c(tmp_path) == 55.0
    assert read_temperature_c(tmp_path / "none") is None
