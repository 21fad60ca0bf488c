"""Markdown tables of the model card."""

from collections.abc import Iterable, Sequence

from edge.records import LETTERS


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def format_letters(columns: Sequence[tuple[str, dict[str, float | None]]]) -> str:
    """Return a table with a row per letter and a named column per recall."""
    rows = [[letter, *[format_percent(recall[letter]) for _, recall in columns]] for letter in LETTERS]
    return format_table(["letter", *[name for name, _ in columns]], rows)


def format_percent(fraction: float | None) -> str:
    """0.123 -> '12.3 %', None -> '-'."""
    return "-" if fraction is None else f"{100 * fraction:.1f} %"


def average(values: Iterable[float | None]) -> float | None:
    """Return the mean of the known values, or None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
