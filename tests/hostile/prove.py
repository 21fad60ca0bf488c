"""`make test-hostile`: attack the program from outside, on loopback, within bounds of count and time.

Prints the table of docs/faults.md. Ends with exit code 1 if a try of any attack did not hold.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator

from row import Row

# each module has `attack(short: bool) -> Iterator[Row]`, whose rows follow in the order of the table
MODULES = ("connections", "guessing", "requests_fuzz", "pictures", "videos", "files", "packages")
HEADING = (
    "| attack | tries | held | worst, s | worst, MB | what happened |\n| --- | --- | --- | --- | --- | --- |"
)


def attack(names: list[str], short: bool) -> Iterator[Row]:
    """Run the attacks of the modules one after the other."""
    for name in names:
        yield from importlib.import_module(name).attack(short)


def format_row(row: Row) -> str:
    """Format a row of the table in Markdown."""
    worst_s = "-" if row.worst_s is None else f"{row.worst_s:.2f}"
    worst_mb = "-" if row.worst_mb is None else f"{row.worst_mb:.0f}"
    return f"| {row.attack} | {row.tried:,} | {row.held:,} | {worst_s} | {worst_mb} | {row.note} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", default=list(MODULES), help=f"of {', '.join(MODULES)} (default: all)"
    )
    parser.add_argument("--short", action="store_true", help="fewer tries, as in CI")
    arguments = parser.parse_args()
    print(HEADING, flush=True)
    failed = 0
    for row in attack(arguments.modules, arguments.short):
        print(format_row(row), flush=True)
        failed += row.held < row.tried
    if failed:
        print(f"FAILED: {failed} attacks did not hold", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
