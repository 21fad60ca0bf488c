"""Read where the training pictures come from, for the model card: source, origin, licence, whose name."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

from edge.errors import DataError, reason_of
from edge.system.bounded_files import read_bounded

COLUMNS = ("source", "origin", "licence", "in_the_name_of")
MAX_BYTES = 1_000_000


def read_origins(path: Path, trained_on: Collection[str]) -> list[dict[str, str]]:
    """Return the rows of the sources in `trained_on`, in the order of the CSV file, with COLUMNS each.

    Raises DataError if the file can't be read, lacks a column, or lacks one of the sources.
    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{path} can't be read: {reason}") from None
    reader = csv.DictReader(io.StringIO(text))
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise DataError(f"{path} has no column '{missing[0]}'; it needs {', '.join(COLUMNS)}")
    rows = [{name: (row[name] or "").strip() for name in COLUMNS} for row in reader]
    if unknown := sorted(set(trained_on) - {row["source"] for row in rows}):
        raise DataError(f"{path} has no row of the source '{unknown[0]}', which training saw")
    return [row for row in rows if row["source"] in trained_on]
