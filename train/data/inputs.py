"""What `prepare` is given, a manifest.csv or folders of letters -> an `Item` a picture, and what is wrong."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DataError, reason_of
from edge.pictures import SUFFIXES
from edge.records import N_LANDMARKS, Array
from train.data.prepared import LABELS, ROLES

BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")
POINT_COLUMNS = tuple(f"hand{i}_{axis}" for i in range(N_LANDMARKS) for axis in "xy")
_LABEL_OF = {label.lower(): label for label in LABELS}


@dataclass(frozen=True, eq=False)
class Item:
    """One picture that an input lists; px are of the picture as it lies on the disk."""

    path: Path
    file: str  # its name in every report
    letter: str
    source: str
    role: str = ""  # empty: prepare chooses
    kind: str = ""
    licence: str = ""
    size_px: tuple[float, float] | None = None  # width and height that box and points belong to
    box_xyxy: Array | None = None  # (4,) px
    points: Array | None = None  # (21, 2) px


@dataclass(frozen=True)
class Problem:
    """A file that was left out (or a column of it), and why."""

    file: str
    why: str
    left_out: bool = True


def label_of(name: str) -> str | None:
    """'a' or 'A' -> 'A', 'Space' -> 'space'; None where it is no label."""
    return _LABEL_OF.get(name.strip().lower())


def list_inputs(inputs: Sequence[str]) -> tuple[list[Item], list[Problem]]:
    """Each input is a manifest.csv, a folder, or NAME=FOLDER where all of it is of one source."""
    listed: list[Item] = []
    problems: list[Problem] = []
    for text in inputs:
        name, path = "", Path(text)
        if "=" in text and not path.exists():
            name, _, rest = text.partition("=")
            path = Path(rest)
        folder = path if path.is_dir() else path.parent
        prefix = f"{folder}/" if len(inputs) > 1 else ""  # two inputs may hold files of the same name
        try:
            if path.is_dir():
                _list_folder(path, name, _folder_source(path, inputs), prefix, listed, problems)
            else:
                _list_manifest(path, name, prefix, listed, problems)
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist; a manifest.csv or a folder of letters was wanted"
            ) from None
        except OSError as error:
            raise DataError(f"{path} can't be read: {reason_of(error)}") from None
    items = {item.path: item for item in reversed(listed)}
    problems += [Problem(item.file, "listed twice") for item in listed if items[item.path] is not item]
    return [item for item in listed if items[item.path] is item], problems


def _folder_source(folder: Path, inputs: Sequence[str]) -> str:
    """A folder's own name; with its parent's before it where several inputs are named alike."""
    folder = folder.resolve()
    alike = [text for text in inputs if Path(text).resolve().name == folder.name]
    return f"{folder.parent.name}-{folder.name}" if len(alike) > 1 else folder.name


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _list_folder(
    folder: Path, name: str, own: str, prefix: str, items: list[Item], problems: list[Problem]
) -> None:
    """`folder` holds folders of letters, or one folder a signer that holds folders of letters."""
    inside = _subfolders(folder)
    # Looked for first, because a signer may be called A (as in Surrey's data: A/a, A/b, ... E/y).
    signers = [path for path in inside if any(label_of(deeper.name) for deeper in _subfolders(path))]
    if signers:
        for path in inside:
            if path in signers:
                _list_letters(path, name or path.name, folder, prefix, items, problems)
            else:
                problems.append(Problem(prefix + path.name, "a folder without folders of letters"))
    elif any(label_of(path.name) for path in inside):
        _list_letters(folder, name or own, folder, prefix, items, problems)
    else:
        raise DataError(
            f"{folder} holds no folders of letters; {folder / 'A' / 'image1.png'}, or a folder "
            "a signer with such folders, or a manifest.csv was wanted"
        )
    for level in (folder, *signers):
        for path in _files(level):
            name_of = prefix + str(path.relative_to(folder))
            problems.append(Problem(name_of, "lies beside the folders of letters"))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.is_dir())


def _list_letters(
    folder: Path, source: str, root: Path, prefix: str, items: list[Item], problems: list[Problem]
) -> None:
    for inside in _subfolders(folder):
        letter = label_of(inside.name)
        for path in sorted(inside.rglob("*")) if letter is None else sorted(inside.iterdir()):
            name = prefix + str(path.relative_to(root))
            if letter is None:
                if path.is_file():
                    problems.append(Problem(name, f"no such letter: the folder '{inside.name}'"))
            elif path.is_dir():
                problems.append(Problem(name, "a folder inside a letter's folder"))
            elif path.suffix.lower() not in SUFFIXES:
                problems.append(Problem(name, f"no picture format that is read here: '{path.suffix}'"))
            else:
                items.append(Item(path, name, letter, source))


def _list_manifest(path: Path, source: str, prefix: str, items: list[Item], problems: list[Problem]) -> None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            reader = csv.DictReader(table)
            if missing := {"file", "letter"} - set(reader.fieldnames or ()):
                raise DataError(f"{path} has no column '{min(missing)}'; file and letter are needed")
            rows = list(reader)
    except UnicodeDecodeError:
        raise DataError(f"{path} can't be read as a CSV table: it is no text in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path} can't be read as a CSV table: {error}") from None
    for number, row in enumerate(rows, start=2):
        file, written = row["file"] or "", row["letter"] or ""
        letter = label_of(written)
        if not file or letter is None:
            why = f"no such letter: '{written}'" if file else "no file is named"
            problems.append(Problem(prefix + (file or path.name), f"{why} (line {number})"))
            continue
        items.append(_manifest_item(path, row, letter, source, prefix, problems))


def _manifest_item(
    path: Path, row: dict[str, str], letter: str, source: str, prefix: str, problems: list[Problem]
) -> Item:
    name = prefix + row["file"]
    role = (row.get("role") or "").strip().lower()
    if role not in ("", *ROLES):
        raise DataError(f"{path} gives {row['file']} the role '{role}'; one of {', '.join(ROLES)} was wanted")
    numbers = {}
    for what, columns in (("size", ("width", "height")), ("box", BOX_COLUMNS), ("points", POINT_COLUMNS)):
        numbers[what] = _numbers(row, columns)
        if numbers[what] is None and any((row.get(column) or "").strip() for column in columns):
            problems.append(Problem(name, f"{what} dropped: not all of its columns hold numbers", False))
    size, box, points = numbers["size"], numbers["box"], numbers["points"]
    return Item(
        path=path.parent / row["file"],
        file=name,
        letter=letter,
        source=source or (row.get("source") or "").strip() or path.resolve().parent.name,
        role=role,
        kind=(row.get("kind") or "").strip(),
        licence=(row.get("licence") or "").strip(),
        size_px=None if size is None else (float(size[0]), float(size[1])),
        box_xyxy=box,
        points=None if points is None else points.reshape(N_LANDMARKS, 2),
    )


def _numbers(row: dict[str, str], columns: Sequence[str]) -> Array | None:
    """The finite numbers of these columns, or None where any is absent, empty or no number."""
    try:
        values = [float(row.get(column) or "nan") for column in columns]
    except ValueError:
        return None
    return np.array(values, np.float32) if all(map(math.isfinite, values)) else None
