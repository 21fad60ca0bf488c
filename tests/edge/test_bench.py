"""`asl-edge bench`: a short run of the real program, its latency card, comparison and tuning."""

import json
import re
import resource
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import asl_edge, read_refusal
from support.full_disk import FullAfter
from support.made_pictures import save, scene

from edge.bench.card import CARD_VERSION, make_card
from edge.bench.card_text import format_card
from edge.bench.compare import PUBLISHED, compare_cards
from edge.bench.looped_camera import LoopedCamera
from edge.bench.measure import BenchRun, measure
from edge.bench.stopwatch import ROW
from edge.bench.tune import Trial, choose_best, list_candidates
from edge.errors import CameraError
from edge.package import open_package
from edge.settings import Settings
from edge.system.board import BoardReading


@pytest.fixture(scope="module")
def measured_card(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the output of a run of 3 s, and the path of the card that it wrote."""
    folder = tmp_path_factory.mktemp("bench")
    done = asl_edge("bench", "--duration", "3", "--model", tiny_folder, "--json", folder / "card.json",
                    "--plot", folder / "card.png")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # the progress line is for terminals only
    assert (folder / "card.png").read_bytes().startswith(b"\x89PNG")
    return done.stdout, folder / "card.json"


def make_run(span_s: float, slowed: tuple[str, ...] = ()) -> BenchRun:
    """Return a run at 10 frames per second; a hand takes 5 ms in its first half and 9 ms in its second."""
    table = np.zeros((int(10 * span_s), len(ROW)))
    table[:, 0] = np.arange(len(table)) / 10
    table[:, ROW.index("hand")] = np.where(table[:, 0] < span_s / 2, 0.005, 0.009)
    table[:, ROW.index("inference")] = 0.004
    table[:, ROW.index("sinks")] = -1
    table[:, ROW.index("inferences")] = 1
    readings = [
        BoardReading(0.0, 50.0, 1500.0, 1500.0, (), ()),
        BoardReading(span_s, 80.0, 1000.0, 1500.0, slowed, ()),
    ]
    return BenchRun(table, readings, span_s, span_s, 0, 0, 3.0, 90.0, 80.0, 1.0, None, 1e-5, 0.01, "cpu")


def settings_for(folder: Path) -> Settings:
    return Settings(camera="synthetic:HI", model=str(folder))


def test_table_fits_80_columns_and_has_every_stage(measured_card: tuple[str, Path]) -> None:
    table, _ = measured_card
    assert max(map(len, table.splitlines())) <= 80
    for words in (
        "waiting for the camera",
        "preprocessing",
        "inference",
        "decoding",
        "sinks",
        "frame to letter",
    ):
        assert words in table
    assert re.search(r"own cost +\d\.\d+% of the processor's time", table)


def test_card_contains_machine_package_and_measurements(measured_card: tuple[str, Path]) -> None:
    card = json.loads(measured_card[1].read_text())
    assert card["card_version"] == CARD_VERSION
    assert {"name", "cpu", "features", "os", "libraries"} <= set(card["machine"])
    assert re.fullmatch("[0-9a-f]{64}", card["package"]["sha256"])
    assert card["frames"]["offered_per_s"] == pytest.approx(30, abs=5)
    for stage in ("camera", "hand", "find", "preprocess", "inference", "decode", "frame_to_letter"):
        spread = card["whole"][stage]
        assert 0 <= spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"]
    parts_ms = sum(card["whole"][stage]["p50"] for stage in ("preprocess", "inference"))
    assert parts_ms <= card["whole"]["hand"]["p99"]
    assert card["start_to_first_letter_s"] > card["start_to_first_frame_s"] > 0
    assert 0 < card["memory_mb"]["steady"] <= card["memory_mb"]["peak"]
    assert (card["cold"], card["sustained"]) == (None, None)  # the run is too short for both


def test_measuring_takes_less_than_2_percent_of_the_processor_time() -> None:
    measured = measure(Settings(camera="synthetic:HI"), 4.0, threading.Event())  # the shipped model
    assert measured.own_fraction < 0.02


def test_recording_repeats_for_the_whole_duration(tiny_folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", scene(number))
    settings = replace(settings_for(tiny_folder), camera=f"replay:{tmp_path}")
    measured = measure(settings, 0.5, threading.Event())
    assert len(measured.table) > 6
    assert measured.video_s == pytest.approx(len(measured.table) / settings.fps)
    for stage in ("camera", "hand", "frame_to_letter"):
        assert (measured.table[:, ROW.index(stage)] >= 0).all()


def test_frames_that_the_palm_detector_searched_are_counted(tiny_folder: Path) -> None:
    measured = make_run(10.0)
    measured.table[[0, 7, 8], ROW.index("find")] = 0.003
    assert make_card(measured, settings_for(tiny_folder))["frames"]["searched"] == 3


def test_long_run_shows_its_first_and_last_seconds_side_by_side(tiny_folder: Path) -> None:
    card = make_card(make_run(120.0, ("throttled",)), settings_for(tiny_folder))
    assert (card["cold"]["hand"]["p50"], card["sustained"]["hand"]["p50"]) == (5, 9)
    lines = format_card(card)
    assert max(map(len, lines)) <= 80
    assert "first 30 s" in lines[3]
    assert "last 60 s" in lines[3]
    assert "temperature           50 C at first, 80 at the end, 50 to 80" in lines
    assert "throttled             yes" in lines


def test_absence_of_throttling_is_printed(tiny_folder: Path) -> None:
    lines = format_card(make_card(make_run(10.0), settings_for(tiny_folder)))
    assert "throttled             no sign of it" in lines


@pytest.mark.parametrize("number", [1, 2, 5])
def test_cards_are_compared_in_80_columns_with_ratios(tiny_folder: Path, number: int) -> None:
    card = make_card(make_run(10.0), settings_for(tiny_folder))
    faster = json.loads(json.dumps(card))
    faster["whole"]["hand"]["p50"] = card["whole"]["hand"]["p50"] / 2
    lines = compare_cards([card, *[faster] * (number - 1)], [f"{n}.json" for n in range(number)])
    assert max(map(len, lines)) <= 80
    assert sum("x0.50" in line for line in lines) == number // 2


def test_boards_with_similar_names_are_distinguished(tiny_folder: Path) -> None:
    cards = [make_card(make_run(10.0), settings_for(tiny_folder)) for _ in range(2)]
    cards[0]["machine"]["board"] = "Raspberry Pi 5 Model B Rev 1.0"
    cards[1]["machine"]["board"] = "Raspberry Pi 4 Model B Rev 1.4"
    lines = compare_cards(cards, ["new.json", "old.json"])
    assert lines[:2] == ["new: Raspberry Pi 5 Model B Rev 1.0", "old: Raspberry Pi 4 Model B Rev 1.4"]


def test_card_of_a_known_board_is_compared_with_published_times(tiny_folder: Path) -> None:
    card = make_card(make_run(10.0), settings_for(tiny_folder))
    card["machine"]["board"] = "Raspberry Pi 4 Model B Rev 1.4"
    card["settings"]["threads"] = 4
    text = "\n".join(compare_cards([card], ["pi4.json"]))
    assert "Raspberry Pi 4B (published)" in text
    assert re.search(r"int8 +4 threads +84 ms", text)
    assert "Tencent/ncnn" in text


def test_published_times_have_a_source() -> None:
    table = json.loads(PUBLISHED.read_text())
    assert "a4d2ea1" in table["source"]
    assert len(table["boards"]) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--duration", "0"], "--duration must be more than 0 and at most 86400 s, got 0"),
        (["--duration", "-3"], "at most 86400 s, got -3"),
        (["--duration", "nan"], "at most 86400 s, got nan"),
        (["--camera", "usb:99"], "there is no camera /dev/video99"),
        (["--camera", "fog"], "there is no camera 'fog'"),
        (["--model", "/"], "is no deployment package"),
        (["--compare", "/etc/hostname"], "is not a latency card"),
        (["--compare", "/nowhere.json"], "no such file"),
        (["--tune"], "name one with --config FILE"),
        (["--json", "/nowhere/card.json"], "can't be written"),
    ],
)
def test_invalid_arguments_are_refused(arguments: list[str], message: str) -> None:
    assert message in read_refusal(asl_edge("bench", *arguments))


def test_disk_without_space_for_the_card_is_found_before_measuring(tiny_folder: Path, tmp_path: Path) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = asl_edge("bench", "--model", tiny_folder, "--json", tmp_path / "card.json", preexec_fn=limit_files)
    assert "card.json can't be written: file too large" in read_refusal(done)
    assert list(tmp_path.iterdir()) == []
    assert "/dev/full can't be written: no space left" in read_refusal(
        asl_edge("bench", "--json", "/dev/full")
    )


def test_package_with_a_wrong_checksum_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "package")
    (folder / "tiny.int8.onnx").write_bytes(b"x" * (folder / "tiny.int8.onnx").stat().st_size)
    assert "sha256 differs" in read_refusal(asl_edge("bench", "--model", folder))


EMPTY = '"machine": {}, "package": {}, "settings": {}, "whole": {}, "frames": {}, "memory_mb": {}, '


@pytest.mark.parametrize(
    "card",
    [
        '{"card_version": 99}',
        "[]",
        "{}",
        '{"card_version": 1}',
        f'{{"card_version": {CARD_VERSION}, {EMPTY} "cpu_s_per_minute_of_video": 1}}',
    ],
)
def test_invalid_card_or_card_of_another_version_is_refused(tmp_path: Path, card: str) -> None:
    (tmp_path / "card.json").write_text(card)
    assert "card" in read_refusal(asl_edge("bench", "--compare", tmp_path / "card.json"))


def test_late_reader_of_a_looped_camera_misses_frames_that_are_counted() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pictures = [np.full((4, 4, 3), 60 * n, np.uint8) for n in range(4)]
    with LoopedCamera("drawn", pictures, 10.0, lambda: now[0], sleep) as camera:
        frames = iter(camera)
        read = [next(frames) for _ in range(2)]
        now[0] += 0.35
        read += [next(frames) for _ in range(2)]
    assert [frame.index for frame in read] == [0, 1, 4, 5]
    assert camera.dropped == 2
    assert [int(frame.image.mean()) for frame in read] == pytest.approx([0, 60, 0, 60], abs=4)


def test_looped_camera_without_pictures_is_refused() -> None:
    with pytest.raises(CameraError, match="delivered no picture"):
        LoopedCamera("drawn", [], 10.0)


def test_full_disk_for_looped_pictures_is_a_camera_error(full_after: FullAfter) -> None:
    pictures = [np.zeros((480, 640, 3), np.uint8)] * 2
    with full_after(600_000), pytest.raises(CameraError, match=r"the pictures of drawn can't be kept in /"):
        LoopedCamera("drawn", pictures, 10.0)


# --tune


def test_tuning_chooses_the_cheapest_of_nearly_equally_fast_trials() -> None:
    measurements = [(1, 4.5, 16.0), (2, 3.5, 18.0), (3, 3.4, 40.0), (4, 9.0, 1.0)]
    trials = [Trial(Settings(threads=n), hand_ms, cpu_s) for n, hand_ms, cpu_s in measurements]
    assert choose_best(trials).settings.threads == 2


@pytest.mark.parametrize(("float_accuracy", "tried"), [(0.8, True), (0.79, False), (None, False)])
def test_tuning_skips_variants_that_are_less_accurate_or_not_measured(
    tiny_folder: Path, float_accuracy: float | None, tried: bool
) -> None:
    package = open_package(tiny_folder)
    package.files.pop("dynamic")
    variants: dict[str, Any] = {"int8": {"accuracy": 0.8}, "float": {"accuracy": float_accuracy}}
    package.metadata["accuracy"] = [{"variants": variants}]
    candidates, reasons = list_candidates(settings_for(tiny_folder), package)
    assert ({settings.variant for settings in candidates} == {"int8", "float"}) is tried
    assert len(reasons) == (not tried)
    assert len({(s.variant, s.threads, s.thread_spinning) for s in candidates}) == len(candidates)
