"""List the inputs of `prepare`, a manifest.csv or folders of letters, and collect the problems in them."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import DataError, reason_of
from edge.pictures import SUFFIXES
from edge.records import N_LANDMARKS, Array
from edge.system.atomic_files import real_path
from edge.system.bounded_files import read_bounded
from train.data.prepared import LABELS, SPLITS

MAX_MANIFEST_BYTES = 300_000_000  # a row with landmarks has 400 bytes
BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")
LANDMARK_COLUMNS = tuple(f"hand{i}_{axis}" for i in range(N_LANDMARKS) for axis in "xy")
CLUTTER = ("__macosx", "thumbs.db", "desktop.ini")
_LABEL_BY_NAME = {label.lower(): label for label in LABELS}


@dataclass(frozen=True, eq=False)
class Item:
    """One picture that an input lists; px are of the file's picture."""

    path: Path
    file: str  # its name in every report
    letter: str
    source: str
    split: str = ""  # empty: prepare chooses
    kind: str = ""
    licence: str = ""
    size_px: tuple[float, float] | None = None  # width and height of the picture that was annotated
    box_xyxy: Array | None = None  # (4,) px
    landmarks: Array | None = None  # (21, 2) px


@dataclass(frozen=True)
class Problem:
    """A file, or one annotation of it, that was left out, and why."""

    file: str
    why: str
    left_out: bool = True


def parse_label(name: str) -> str | None:
    """Return the label of a name: 'a' -> 'A', 'Space' -> 'space'; None if it is not a label."""
    return _LABEL_BY_NAME.get(name.strip().lower())


def list_inputs(inputs: Sequence[str]) -> tuple[list[Item], list[Problem]]:
    """List every picture of the inputs: a manifest.csv, a folder, or NAME=FOLDER to name its source.

    Raises DataError if an input is missing, unreadable, or holds no letters.
    """
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
                _list_folder(path, name, _name_source(path, inputs), prefix, listed, problems)
            else:
                _list_manifest(path, name, prefix, listed, problems)
        except FileNotFoundError:
            raise DataError(
                f"{path} does not exist; an input must be a manifest.csv or a folder of letters"
            ) from None
        except OSError as error:
            raise DataError(f"{path} can't be read: {reason_of(error)}") from None
    items = {item.path: item for item in reversed(listed)}
    problems += [Problem(item.file, "listed twice") for item in listed if items[item.path] is not item]
    return [item for item in listed if items[item.path] is item], problems


def _name_source(folder: Path, inputs: Sequence[str]) -> str:
    """Return the folder's name, with its parent's before it if several inputs have the same name."""
    folder = real_path(folder)
    same_name = [text for text in inputs if real_path(text).name == folder.name]
    return f"{folder.parent.name}-{folder.name}" if len(same_name) > 1 else folder.name


def _is_clutter(path: Path) -> bool:
    """What macOS and Windows leave beside people's files, and hidden files."""
    return path.name.startswith(".") or path.name.lower() in CLUTTER


def _list_subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_clutter(path))


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.is_dir() and not _is_clutter(path))


def _list_files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, in a stable order."""
    yield from _list_files(folder)
    for inside in _list_subfolders(folder):
        yield from _list_files_below(inside)


def _holds_letters(folder: Path) -> bool:
    """Whether a folder is a signer's. B/B is a letter that was unpacked into its own folder."""
    labels = {parse_label(inside.name) for inside in _list_subfolders(folder)}
    return bool(labels - {None, parse_label(folder.name)})


def _list_folder(
    folder: Path, name: str, default_name: str, prefix: str, items: list[Item], problems: list[Problem]
) -> None:
    """List a folder that holds folders of letters, or one folder per signer that holds them, or both."""
    inside = _list_subfolders(folder)
    # Signers come first because one may be called A, as in Surrey's data: A/a, A/b, ... E/y.
    signers = [path for path in inside if _holds_letters(path)]
    if not signers and not any(parse_label(path.name) for path in inside):
        raise DataError(
            f"{folder} holds no folders of letters; it must hold letters such as "
            f"{folder / 'A' / 'image1.png'}, or one folder per signer with such letters"
        )
    for signer in signers:
        for path in _list_subfolders(signer):
            _list_letter(path, name or signer.name, folder, prefix, items, problems)
    for path in inside:
        if path not in signers:
            _list_letter(path, name or default_name, folder, prefix, items, problems)
    for level in (folder, *signers):
        for path in _list_files(level):
            file = prefix + str(path.relative_to(folder))
            problems.append(Problem(file, "not in a folder of a letter"))


def _list_letter(
    folder: Path, source: str, root: Path, prefix: str, items: list[Item], problems: list[Problem]
) -> None:
    """List the pictures of a letter's folder and of the folders inside it."""
    letter = parse_label(folder.name)
    for path in _list_files_below(folder):
        file = prefix + str(path.relative_to(root))
        if letter is None:
            problems.append(Problem(file, f"the folder '{folder.name}' is not named like a letter"))
        elif path.suffix.lower() not in SUFFIXES:
            problems.append(Problem(file, f"unsupported picture format '{path.suffix}'"))
        else:
            items.append(Item(path, file, letter, source))


def _list_manifest(path: Path, source: str, prefix: str, items: list[Item], problems: list[Problem]) -> None:
    try:
        text = read_bounded(path, MAX_MANIFEST_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if missing := {"file", "letter"} - set(reader.fieldnames or ()):
            raise DataError(f"{path} has no column '{min(missing)}'; it needs file and letter")
        rows = list(reader)
    except UnicodeDecodeError:
        raise DataError(f"{path} can't be read as a CSV table: it is not UTF-8 text") from None
    except csv.Error as error:
        raise DataError(f"{path} can't be read as a CSV table: {error}") from None
    for number, row in enumerate(rows, start=2):
        file, label = row["file"] or "", row["letter"] or ""
        letter = parse_label(label)
        if not file or letter is None:
            why = f"'{label}' is not a letter" if file else "no file is named"
            problems.append(Problem(prefix + (file or path.name), f"{why} (line {number})"))
            continue
        items.append(_parse_row(path, row, letter, source, prefix, problems))


def _parse_row(
    path: Path, row: dict[str, str], letter: str, source: str, prefix: str, problems: list[Problem]
) -> Item:
    file = prefix + row["file"]
    split = (row.get("role") or "").strip().lower()
    if split not in ("", *SPLITS):
        raise DataError(
            f"{path}: the role of {row['file']} must be one of {', '.join(SPLITS)}, got '{split}'"
        )
    numbers = {}
    for name, columns in (
        ("size", ("width", "height")),
        ("box", BOX_COLUMNS),
        ("landmarks", LANDMARK_COLUMNS),
    ):
        numbers[name] = _parse_numbers(row, columns)
        if numbers[name] is None and any((row.get(column) or "").strip() for column in columns):
            problems.append(Problem(file, f"{name} dropped: not all of its columns hold numbers", False))
    size, box, landmarks = numbers["size"], numbers["box"], numbers["landmarks"]
    return Item(
        path=path.parent / row["file"],
        file=file,
        letter=letter,
        source=source or (row.get("source") or "").strip() or real_path(path).parent.name,
        split=split,
        kind=(row.get("kind") or "").strip(),
        licence=(row.get("licence") or "").strip(),
        size_px=None if size is None else (float(size[0]), float(size[1])),
        box_xyxy=box,
        landmarks=None if landmarks is None else landmarks.reshape(N_LANDMARKS, 2),
    )


def _parse_numbers(row: dict[str, str], columns: Sequence[str]) -> Array | None:
    """Return the finite numbers of these columns, or None if any is missing, empty or not a number."""
    try:
        values = [float(row.get(column) or "nan") for column in columns]
    except ValueError:
        return None
    return np.array(values, np.float32) if all(map(math.isfinite, values)) else None
