"""What `prepare` found, as one report: counts, near-duplicates across the split, and what is thin."""

from collections import Counter
from typing import Any

import numpy as np

from edge.records import LETTERS
from train.data.duplicates import MAX_DISTANCE, across
from train.data.inputs import Problem
from train.data.prepared import LABELS, ROLES

THIN = 20  # pictures of a letter in a source; fewer make its recall a matter of luck
LISTED = 20  # problems and near-duplicates that are printed; report.json holds all of them


def survey(arrays: dict[str, Any], problems: list[Problem], warnings: list[str]) -> dict[str, Any]:
    """Index arrays, with their roles, -> the report as it stands in report.json."""
    letter, source, role = arrays["letter"], arrays["source"], arrays["role"]
    sources = {}
    for name in sorted(set(source.tolist())):
        mine = source == name
        counts = Counter(letter[mine].tolist())
        sources[name] = {
            "pictures": int(mine.sum()),
            "roles": {r: n for r in ROLES if (n := int((mine & (role == r)).sum()))},
            "letters": {label: counts[label] for label in LABELS if counts[label]},
        }
    left_out = [problem for problem in problems if problem.left_out]
    return {
        "pictures": len(letter),
        "left_out": len(left_out),
        "roles": {r: int((role == r).sum()) for r in ROLES},
        "with_box": int(np.isfinite(arrays["box_xyxy"]).all(axis=1).sum()),
        "with_points": int(np.isfinite(arrays["points"]).all(axis=(1, 2)).sum()),
        "sources": sources,
        "near_duplicates": _near_duplicates(arrays),
        "warnings": warnings + _thin(sources),
        "problems": [{"file": p.file, "why": p.why, "left_out": p.left_out} for p in problems],
    }


def _near_duplicates(arrays: dict[str, Any]) -> dict[str, Any]:
    file = arrays["file"]
    found: dict[str, Any] = {"max_bits": MAX_DISTANCE}
    for what, side in (("across_split", arrays["role"]), ("across_sources", arrays["source"])):
        rows, twins = across(arrays["phash"], side)
        found[what] = {
            "pictures": len(rows),
            "pairs": [
                {"file": str(file[i]), "is": str(side[i]), "twin": str(file[j]), "twin_is": str(side[j])}
                for i, j in zip(rows, twins, strict=True)
            ],
        }
    return found


def _thin(sources: dict[str, dict[str, Any]]) -> list[str]:
    warnings = []
    for name, entry in sources.items():
        counts = entry["letters"]
        if len(counts) == 1:
            only = next(iter(counts))
            warnings.append(
                f"source {name} has pictures of {only} alone: the model may learn the room as the letter"
            )
            continue
        if missing := [letter for letter in LETTERS if letter not in counts]:
            warnings.append(f"source {name} has no picture of {' '.join(missing)}")
        if few := [f"{letter} ({counts[letter]})" for letter in LETTERS if 0 < counts.get(letter, 0) < THIN]:
            warnings.append(f"source {name} has fewer than {THIN} pictures of {', '.join(few)}")
    if not any("nothing" in entry["letters"] for entry in sources.values()):
        warnings.append("no picture of 'nothing' (no hand): the model will learn that from cut-outs alone")
    return warnings


def print_survey(report: dict[str, Any]) -> None:
    """The report for the person at the keyboard: tables, then warnings, then problems."""
    sources = report["sources"]
    wide = max(6, *(len(name) for name in sources))
    print(" ".join([f"{'':7}", *(f"{name:>{wide}}" for name in sources), f"{'all':>6}"]))
    for label in LABELS:
        counts = [entry["letters"].get(label, 0) for entry in sources.values()]
        if label in LETTERS or sum(counts):
            print(" ".join([f"{label:7}", *(f"{n:>{wide},}" for n in counts), f"{sum(counts):>6,}"]))
    totals = [entry["pictures"] for entry in sources.values()]
    print(" ".join([f"{'all':7}", *(f"{n:>{wide},}" for n in totals), f"{sum(totals):>6,}"]))
    roles = ["+".join(entry["roles"]) for entry in sources.values()]
    print(" ".join([f"{'role':7}", *(f"{role:>{wide}}" for role in roles)]))
    print("pictures by role: " + ", ".join(f"{role} {n:,}" for role, n in report["roles"].items()))
    print(f"with a hand's box: {report['with_box']:,}; with hand points: {report['with_points']:,}")
    _print_duplicates(report["near_duplicates"])
    for warning in report["warnings"]:
        print(f"warning: {warning}")
    _print_problems(report)


def _print_duplicates(found: dict[str, Any]) -> None:
    crossing = found["across_split"]
    print(f"near-duplicates on the other side of the split: {crossing['pictures']:,} pictures")
    for pair in crossing["pairs"][:LISTED]:
        print(f"  {pair['file']} ({pair['is']}) ~ {pair['twin']} ({pair['twin_is']})")
    if (more := crossing["pictures"] - LISTED) > 0:
        print(f"  and {more:,} more in report.json")
    print(f"near-duplicates in another source: {found['across_sources']['pictures']:,} pictures")


def _print_problems(report: dict[str, Any]) -> None:
    problems = report["problems"]
    print(f"left out: {report['left_out']:,} files")
    for problem in problems[:LISTED]:
        print(f"  {problem['file']}: {problem['why']}")
    if (more := len(problems) - LISTED) > 0:
        print(f"  and {more:,} more in report.json")
