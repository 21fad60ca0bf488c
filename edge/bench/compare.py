"""`asl-edge bench --compare`: latency cards side by side, and ncnn's published times for the same board."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bench.card import Card
from edge.bench.card_text import STAGE_NAMES
from edge.bench.stopwatch import STAGES

PUBLISHED = Path(__file__).parent / "ncnn_resnet18.json"
COLUMNS = 80
CARDS_PER_BLOCK = 3  # further cards follow in more blocks, each of which repeats the first card
NAME, VALUE, RATIO = 22, 11, 8  # widths of the columns


def compare_cards(cards: Sequence[Card], names: Sequence[str]) -> list[str]:
    """Return lines of at most COLUMNS characters. Ratios are relative to the first card."""
    named = list(zip(names, cards, strict=True))
    lines = [f"{Path(name).stem}: {_machine(card)}"[:COLUMNS] for name, card in named]
    first, *others = named
    for begin in range(0, max(1, len(others)), CARDS_PER_BLOCK - 1):
        block = [first, *others[begin : begin + CARDS_PER_BLOCK - 1]]
        lines += [*_block([card for _, card in block], [name for name, _ in block]), ""]
    for name, card in dict(named).items():
        lines += _published(name, card)
    return lines


def _block(cards: list[Card], names: list[str]) -> list[str]:
    lines = [_line("", [Path(name).stem for name in names])]
    lines.append(
        _line(
            "threads, input px",
            [f"{card['settings']['threads']}, {card['package']['input_px']}" for card in cards],
        )
    )
    lines.append(_line("model", [card["package"]["sha256"][:8] for card in cards]))
    lines.append(_line("ran on", [card["settings"].get("ran_on", "cpu").partition(":")[0] for card in cards]))
    lines.append("medians, ms")
    lines += [
        _row(STAGE_NAMES[stage].replace("of it: ", ""), [card["whole"][stage]["p50"] for card in cards])
        for stage in STAGES
    ]
    lines.append(_row("frame to letter p99", [card["whole"]["frame_to_letter"]["p99"] for card in cards]))
    lines.append(_row("frames read per s", [card["frames"]["read_per_s"] for card in cards]))
    lines.append(_row("processor, s per min", [card["cpu_s_per_minute_of_video"] for card in cards]))
    lines.append(_row("memory, MB at most", [card["memory_mb"]["peak"] for card in cards]))
    lines.append(_line("throttled", ["yes" if card.get("held_back") else "no" for card in cards]))
    return lines


def _machine(card: Card) -> str:
    return str(card["machine"]["board"] or card["machine"]["cpu"])


def _line(name: str, words: list[str]) -> str:
    width = VALUE + RATIO
    first, *rest = (f"{word[: width - 2]:>{width if number else VALUE}}" for number, word in enumerate(words))
    return f"{name[:NAME]:<{NAME}}{first[:VALUE]}{''.join(rest)}".rstrip()


def _row(name: str, values: list[float | None]) -> str:
    cells = [f"{_number(values[0]):>{VALUE}}"]
    for value in values[1:]:
        ratio = f"x{value / values[0]:.2f}" if value is not None and values[0] else ""
        cells.append(f"{_number(value):>{VALUE}}{ratio:>{RATIO}}")
    return f"{name[:NAME]:<{NAME}}{''.join(cells)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _published(name: str, card: Card) -> list[str]:
    """Return ncnn's published times for the card's board; [] if there are none."""
    table: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for board in table["boards"]:
        if board["model"] in card["machine"]["board"]:
            threads = str(card["settings"]["threads"])
            inference_ms = card["frames"]["reading_ms"]
            lines = [f"{Path(name).stem}: ncnn's ResNet-18 at 224 px on a {board['name']} (published)"]
            for kind in ("float_ms", "int8_ms"):
                by_threads = board[kind]
                n = threads if threads in by_threads else str(board["threads"])
                lines.append(
                    f"  {kind[:-3]:<6}{n} threads {by_threads[n]:>6g} ms,"
                    f" an inference here {inference_ms:.2f} ms: x{by_threads[n] / inference_ms:.1f}"
                )
            return [*lines, *(f"  {line}" for line in textwrap.wrap(table["source"], 78))]
    return []
