"""`asl-edge bench`: the real program for some seconds, its card, and what it makes of cards."""

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import asl_edge, refused
from support.full_disk import FullAfter
from support.made_pictures import save, scene

from edge.bench.card import CARD_VERSION, make_card
from edge.bench.card_text import format_card
from edge.bench.compare import PUBLISHED, compare_cards
from edge.bench.measure import BenchRun, measure
from edge.bench.stopwatch import ROW, STAGES
from edge.bench.tune import Trial, best_of, candidates
from edge.cameras.looped import LoopedCamera
from edge.errors import CameraError
from edge.settings import Settings
from edge.system.board import BoardReading


@pytest.fixture(scope="module")
def measured_card(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the program prints, and the card that it writes."""
    folder = tmp_path_factory.mktemp("bench")
    done = asl_edge("bench", "--duration", "3", "--model", tiny_folder, "--json", folder / "card.json",
                    "--plot", folder / "card.png")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress line where nobody looks
    assert (folder / "card.png").read_bytes().startswith(b"\x89PNG")
    return done.stdout, folder / "card.json"


def made(span_s: float, slowed: tuple[str, ...] = ()) -> BenchRun:
    """A run of 10 frames a second whose frames take 5 ms at first and 9 ms in the end."""
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
    return BenchRun(table, readings, span_s, span_s, 0, 0, 3.0, 90.0, 80.0, 1.0, None, 1e-5, 0.01)


def settings_of(folder: Path) -> Settings:
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


def test_card_says_what_was_measured_where_and_with_what(measured_card: tuple[str, Path]) -> None:
    card = json.loads(measured_card[1].read_text())
    assert card["card_version"] == CARD_VERSION
    assert {"name", "cpu", "features", "os", "libraries"} <= set(card["machine"])
    assert re.fullmatch("[0-9a-f]{64}", card["package"]["sha256"])
    assert card["frames"]["offered_per_s"] == pytest.approx(30, abs=5)
    for stage in ("camera", "hand", "find", "preprocess", "inference", "decode", "frame_to_letter"):
        spread = card["whole"][stage]
        assert 0 <= spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"]
    parts = sum(card["whole"][stage]["p50"] for stage in ("preprocess", "inference"))
    assert parts <= card["whole"]["hand"]["p99"]
    assert card["start_to_first_letter_s"] > card["start_to_first_frame_s"] > 0
    assert 0 < card["memory_mb"]["steady"] <= card["memory_mb"]["peak"]
    assert (card["cold"], card["sustained"]) == (None, None)  # three seconds are neither


def test_measuring_costs_less_than_2_percent_of_what_it_measures() -> None:
    measured = measure(Settings(camera="synthetic:HI"), 4.0, threading.Event())  # the shipped model
    assert measured.own_fraction < 0.02


def test_replayed_folder_is_played_again_until_the_time_is_over(tiny_folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", scene(number))
    settings = replace(settings_of(tiny_folder), camera=f"replay:{tmp_path}")
    measured = measure(settings, 0.5, threading.Event())
    assert len(measured.table) > 6
    assert measured.video_s == pytest.approx(len(measured.table) / settings.fps)
    assert (measured.table[:, 1 : 1 + len(STAGES)][:, [0, 1, 7]] >= 0).all()


def test_frames_in_which_palms_were_looked_for_are_counted(tiny_folder: Path) -> None:
    measured = made(10.0)
    measured.table[[0, 7, 8], ROW.index("find")] = 0.003
    assert make_card(measured, settings_of(tiny_folder))["frames"]["searched"] == 3


def test_long_run_shows_cold_and_sustained_side_by_side(tiny_folder: Path) -> None:
    card = make_card(made(120.0, ("throttled",)), settings_of(tiny_folder))
    assert (card["cold"]["hand"]["p50"], card["sustained"]["hand"]["p50"]) == (5, 9)
    lines = format_card(card)
    assert max(map(len, lines)) <= 80
    assert "first 30 s" in lines[3]
    assert "last 60 s" in lines[3]
    assert "temperature           50 C at first, 80 at the end, 50 to 80" in lines
    assert "throttled             yes" in lines


def test_board_without_a_sign_of_throttling_is_printed_so(tiny_folder: Path) -> None:
    assert "throttled             no sign of it" in format_card(
        make_card(made(10.0), settings_of(tiny_folder))
    )


@pytest.mark.parametrize("number", [1, 2, 5])
def test_cards_are_compared_in_80_columns_with_ratios(tiny_folder: Path, number: int) -> None:
    card = make_card(made(10.0), settings_of(tiny_folder))
    faster = json.loads(json.dumps(card))
    faster["whole"]["hand"]["p50"] = card["whole"]["hand"]["p50"] / 2
    lines = compare_cards([card, *[faster] * (number - 1)], [f"{n}.json" for n in range(number)])
    assert max(map(len, lines)) <= 80
    assert sum("x0.50" in line for line in lines) == number // 2


def test_boards_whose_names_begin_alike_are_told_apart(tiny_folder: Path) -> None:
    cards = [make_card(made(10.0), settings_of(tiny_folder)) for _ in range(2)]
    cards[0]["machine"]["board"] = "Raspberry Pi 5 Model B Rev 1.0"
    cards[1]["machine"]["board"] = "Raspberry Pi 4 Model B Rev 1.4"
    lines = compare_cards(cards, ["new.json", "old.json"])
    assert lines[:2] == ["new: Raspberry Pi 5 Model B Rev 1.0", "old: Raspberry Pi 4 Model B Rev 1.4"]


def test_card_of_a_known_board_stands_beside_the_published_figures(tiny_folder: Path) -> None:
    card = make_card(made(10.0), settings_of(tiny_folder))
    card["machine"]["board"] = "Raspberry Pi 4 Model B Rev 1.4"
    card["settings"]["threads"] = 4
    text = "\n".join(compare_cards([card], ["pi4.json"]))
    assert "Raspberry Pi 4B (published)" in text
    assert re.search(r"int8 +4 threads +84 ms", text)
    assert "Tencent/ncnn" in text


def test_published_figures_have_a_source() -> None:
    table = json.loads(PUBLISHED.read_text())
    assert "a4d2ea1" in table["source"]
    assert len(table["boards"]) == 6


@pytest.mark.parametrize(
    ("arguments", "says"),
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
def test_impossible_measurement_is_one_sentence(arguments: list[str], says: str) -> None:
    assert says in refused(asl_edge("bench", *arguments))


def test_package_that_does_not_verify_is_one_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny_folder, tmp_path / "package")
    (folder / "tiny.int8.onnx").write_bytes(b"x" * (folder / "tiny.int8.onnx").stat().st_size)
    assert "sha256 differs" in refused(asl_edge("bench", "--model", folder))


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
def test_card_that_is_none_or_of_another_version_is_one_sentence(tmp_path: Path, card: str) -> None:
    (tmp_path / "card.json").write_text(card)
    assert "card" in refused(asl_edge("bench", "--compare", tmp_path / "card.json"))


def test_late_reader_of_drawn_pictures_misses_some_and_they_are_counted() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pictures = [np.full((4, 4, 3), 60 * n, np.uint8) for n in range(4)]
    with LoopedCamera("drawn", pictures, 10.0, lambda: now[0], sleep) as camera:
        frames = iter(camera)
        seen = [next(frames) for _ in range(2)]
        now[0] += 0.35
        seen += [next(frames) for _ in range(2)]
    assert [frame.index for frame in seen] == [0, 1, 4, 5]
    assert camera.dropped == 2
    assert [int(frame.image.mean()) for frame in seen] == pytest.approx([0, 60, 0, 60], abs=4)


def test_camera_without_pictures_is_no_camera_to_measure() -> None:
    with pytest.raises(CameraError, match="delivered no picture"):
        LoopedCamera("drawn", [], 10.0)


def test_pictures_that_find_no_room_are_one_sentence(full_after: FullAfter) -> None:
    pictures = [np.zeros((480, 640, 3), np.uint8)] * 2
    with full_after(600_000), pytest.raises(CameraError, match=r"the pictures of drawn can't be kept in /"):
        LoopedCamera("drawn", pictures, 10.0)


# --tune


def test_best_way_is_the_cheapest_of_those_that_are_nearly_the_fastest() -> None:
    ways = [(1, 4.5, 16.0), (2, 3.5, 18.0), (3, 3.4, 40.0), (4, 9.0, 1.0)]
    trials = [Trial(Settings(threads=n), hand_ms, cpu_s) for n, hand_ms, cpu_s in ways]
    assert best_of(trials).settings.threads == 2


@pytest.mark.parametrize(("float_reads", "tried"), [(0.8, True), (0.79, False), (None, False)])
def test_variant_that_reads_worse_or_was_not_measured_is_not_tried(
    tiny_folder: Path, float_reads: float | None, tried: bool
) -> None:
    from edge.package import open_package

    package = open_package(tiny_folder)
    package.files.pop("dynamic")
    variants: dict[str, Any] = {"int8": {"accuracy": 0.8}, "float": {"accuracy": float_reads}}
    package.metadata["accuracy"] = [{"variants": variants}]
    ways, left_out = candidates(settings_of(tiny_folder), package)
    assert ({way.variant for way in ways} == {"int8", "float"}) is tried
    assert len(left_out) == (not tried)
    assert len({(way.variant, way.threads, way.thread_spinning) for way in ways}) == len(ways)
