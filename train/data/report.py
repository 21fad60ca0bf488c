"""Report what `prepare` found: counts, near-duplicates across the split, and letters with few pictures."""

from collections import Counter
from typing import Any

import numpy as np

from edge.printable import print_line
from edge.records import LETTERS
from train.data.duplicates import MAX_DISTANCE, find_across
from train.data.inputs import Problem
from train.data.prepared import LABELS, SPLITS

FEW = 20  # pictures of a letter in a source; with fewer its recall is a matter of luck
MAX_PRINTED = 20  # problems and near-duplicates; report.json holds all of them


def build_report(arrays: dict[str, Any], problems: list[Problem], warnings: list[str]) -> dict[str, Any]:
    """Build report.json from the index arrays, which already have their split."""
    letter, source, split = arrays["letter"], arrays["source"], arrays["split"]
    sources = {}
    for name in sorted(set(source.tolist())):
        mine = source == name
        counts = Counter(letter[mine].tolist())
        sources[name] = {
            "pictures": int(mine.sum()),
            "roles": {s: n for s in SPLITS if (n := int((mine & (split == s)).sum()))},
            "letters": {label: counts[label] for label in LABELS if counts[label]},
        }
    left_out = [problem for problem in problems if problem.left_out]
    return {
        "pictures": len(letter),
        "left_out": len(left_out),
        "roles": {s: int((split == s).sum()) for s in SPLITS},
        "with_box": int(np.isfinite(arrays["box_xyxy"]).all(axis=1).sum()),
        "with_points": int(np.isfinite(arrays["landmarks"]).all(axis=(1, 2)).sum()),
        "sources": sources,
        "near_duplicates": _report_duplicates(arrays),
        "warnings": warnings + _warn_of_few(sources),
        "problems": [{"file": p.file, "why": p.why, "left_out": p.left_out} for p in problems],
    }


def _report_duplicates(arrays: dict[str, Any]) -> dict[str, Any]:
    file = arrays["file"]
    found: dict[str, Any] = {"max_bits": MAX_DISTANCE}
    for name, side in (("across_split", arrays["split"]), ("across_sources", arrays["source"])):
        rows, twins = find_across(arrays["phash"], side)
        found[name] = {
            "pictures": len(rows),
            "pairs": [
                {"file": str(file[i]), "is": str(side[i]), "twin": str(file[j]), "twin_is": str(side[j])}
                for i, j in zip(rows, twins, strict=True)
            ],
        }
    return found


def _warn_of_few(sources: dict[str, dict[str, Any]]) -> list[str]:
    warnings = []
    for name, entry in sources.items():
        counts = entry["letters"]
        if len(counts) == 1:
            only = next(iter(counts))
            warnings.append(
                f"source {name} has pictures of {only} only: the model may learn the room as the letter"
            )
            continue
        if missing := [letter for letter in LETTERS if letter not in counts]:
            warnings.append(f"source {name} has no picture of {' '.join(missing)}")
        if few := [f"{letter} ({counts[letter]})" for letter in LETTERS if 0 < counts.get(letter, 0) < FEW]:
            warnings.append(f"source {name} has fewer than {FEW} pictures of {', '.join(few)}")
    if not any("nothing" in entry["letters"] for entry in sources.values()):
        warnings.append("no picture of 'nothing' (no hand): the model learns that from backgrounds only")
    return warnings


def print_report(report: dict[str, Any]) -> None:
    """Print the report: tables, then near-duplicates, warnings and problems."""
    _print_counts(report["sources"])
    print_line("pictures by split: " + ", ".join(f"{split} {n:,}" for split, n in report["roles"].items()))
    print_line(f"with a hand box: {report['with_box']:,}; with hand landmarks: {report['with_points']:,}")
    _print_duplicates(report["near_duplicates"])
    for warning in report["warnings"]:
        print_line(f"warning: {warning}")
    _print_problems(report)


def _print_counts(sources: dict[str, dict[str, Any]]) -> None:
    width = max(6, *(len(name) for name in sources))
    print_line(" ".join([f"{'':7}", *(f"{name:>{width}}" for name in sources), f"{'all':>6}"]))
    for label in LABELS:
        counts = [entry["letters"].get(label, 0) for entry in sources.values()]
        if label in LETTERS or sum(counts):
            print_line(" ".join([f"{label:7}", *(f"{n:>{width},}" for n in counts), f"{sum(counts):>6,}"]))
    totals = [entry["pictures"] for entry in sources.values()]
    print_line(" ".join([f"{'all':7}", *(f"{n:>{width},}" for n in totals), f"{sum(totals):>6,}"]))
    splits = ["+".join(entry["roles"]) for entry in sources.values()]
    print_line(" ".join([f"{'split':7}", *(f"{split:>{width}}" for split in splits)]))


def _print_duplicates(found: dict[str, Any]) -> None:
    crossing = found["across_split"]
    print_line(f"near-duplicates on the other side of the split: {crossing['pictures']:,} pictures")
    for pair in crossing["pairs"][:MAX_PRINTED]:
        print_line(f"  {pair['file']} ({pair['is']}) ~ {pair['twin']} ({pair['twin_is']})")
    if (more := crossing["pictures"] - MAX_PRINTED) > 0:
        print_line(f"  and {more:,} more in report.json")
    print_line(f"near-duplicates in another source: {found['across_sources']['pictures']:,} pictures")


def _print_problems(report: dict[str, Any]) -> None:
    problems = report["problems"]
    print_line(f"left out: {report['left_out']:,} files")
    for problem in problems[:MAX_PRINTED]:
        print_line(f"  {problem['file']}: {problem['why']}")
    if (more := len(problems) - MAX_PRINTED) > 0:
        print_line(f"  and {more:,} more in report.json")
