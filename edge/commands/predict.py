"""`asl-edge predict`: picture files -> one JSON line each, in the order given."""

import argparse
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.build import build_reader
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.commands.picture_files import Copies, encode_copy, walk_pictures
from edge.errors import PictureError, SettingsError, lacks_memory, os_errors_as
from edge.hand.reader import HandReader
from edge.observe.annotate import annotate
from edge.pictures import NO_MEMORY, SUFFIXES, read_picture
from edge.printable import printable
from edge.records import Image, Prediction
from edge.system.stdout import say

STANDARD_INPUT = 0
MAX_NAME_BYTES = 4096  # the longest path of Linux


@dataclass(frozen=True)
class Named:
    """A picture to read."""

    name: str
    below: str = ""  # the folder that was named, if the picture was found in one


@dataclass(frozen=True)
class Result:
    """What is printed of a picture, and the annotated copy of one that was read."""

    picture: Named
    values: dict[str, Any]
    jpeg: bytes | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="picture, or folder of pictures; - takes names from standard input",
    )
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="DIR",
        help="write copies of the pictures with box, landmarks and letter to a new folder",
    )
    add_settings(parser, MODEL)


def main(arguments: argparse.Namespace) -> int:
    """Return 1 if a picture can't be read."""
    if not arguments.files:
        raise SettingsError(
            "predict got no files: name pictures or folders, or - to take names from standard input"
        )
    settings = load_settings(arguments)
    copies = Copies(arguments.annotate) if arguments.annotate else None
    reader = build_reader(replace(settings, threads=1))
    code = 0
    pictures = iterate_pictures(arguments.files, copies.folder if copies else None)
    for result in predict_files(pictures, reader, settings.threads, annotated=copies is not None):
        code = 1 if "error" in result.values else code
        if copies is not None and result.jpeg is not None:
            copies.write(result.picture.name, result.picture.below, result.jpeg)
        say(json.dumps(result.values))
    return code


def iterate_pictures(arguments: list[str], left_out: Path | None = None) -> Iterator[Named]:
    """Yield the pictures in order; `-` stands for the lines of standard input, each as soon as it arrives.

    A folder stands for the pictures in it, except those in the folder `left_out`.
    """
    for argument in arguments:
        for name in _input_lines() if argument == "-" else [argument]:
            if os.path.isdir(name):  # noqa: PTH112  Path.is_dir() raises for some names
                for found in walk_pictures(name, left_out):
                    yield Named(found, name)
            else:
                yield Named(name)


def predict_files(
    pictures: Iterable[Named], reader: HandReader, parallel: int = 1, annotated: bool = False
) -> Iterator[Result]:
    """Yield one result per picture, in order: file, letter, confidence, top, box_xyxy; or file and error.

    `parallel` pictures are decoded and read at a time, each with one thread: for so small a network that is
    faster than to split one inference between threads.
    """

    def predict_file(picture: Named) -> Result:
        name = picture.name
        try:
            image = _read(picture)
            prediction = reader.read(image)
        except PictureError as error:
            return Result(picture, {"file": name, "error": str(error)})
        except Exception as error:
            if not lacks_memory(error):
                raise
            return Result(picture, {"file": name, "error": f"{printable(name)}: {NO_MEMORY}"})
        jpeg = encode_copy(annotate(image, prediction)) if annotated else None
        return Result(picture, {"file": name, **_format(prediction)}, jpeg)

    for future in _in_order(pictures, predict_file, parallel):
        yield future.result()


def _read(picture: Named) -> Image:
    if not picture.name:  # Path("") is the current folder
        raise PictureError("the name is empty")
    if picture.name == picture.below:
        raise PictureError(f"{picture.name}: the folder holds no pictures (expected {', '.join(SUFFIXES)})")
    return read_picture(Path(picture.name))


def _format(prediction: Prediction) -> dict[str, Any]:
    hand = prediction.hand
    return {
        "letter": prediction.letter,
        "confidence": round(prediction.confidence, 4),
        "top": [[letter, round(confidence, 4)] for letter, confidence in prediction.top(3)],
        "box_xyxy": None if hand is None else [round(side, 1) for side in hand.box_xyxy],
    }


def _input_lines() -> Iterator[str]:
    """Read with os.read: a thread that waits in sys.stdin can keep the interpreter from ending."""
    rest = b""
    while block := _input_block():
        *lines, rest = (rest + block).split(b"\n")
        yield from filter(None, map(_decode_name, lines))
        if len(rest) > MAX_NAME_BYTES:
            raise SettingsError(
                f"standard input holds no names: a line of more than {MAX_NAME_BYTES} bytes; "
                "give it one name on each line"
            )
    if name := _decode_name(rest):
        yield name


def _decode_name(line: bytes) -> str:
    """Return the name without the carriage return of a list made on Windows."""
    return os.fsdecode(line.removesuffix(b"\r"))


def _input_block() -> bytes:
    with os_errors_as(SettingsError, "standard input can't be read for names"):
        return os.read(STANDARD_INPUT, 1 << 16)


def _in_order(
    pictures: Iterable[Named], predict_file: Callable[[Named], Result], parallel: int
) -> Iterator["Future[Result]"]:
    """Yield results in the order of the names. At most `parallel` pictures are in memory.

    Another thread takes the names, so that a picture's result does not wait for the next name.
    """
    ahead: queue.Queue[Future[Result] | Exception | None] = queue.Queue(2 * parallel)
    pool = ThreadPoolExecutor(parallel)

    def feed() -> None:
        try:
            for picture in pictures:
                ahead.put(pool.submit(predict_file, picture))
            ahead.put(None)
        except Exception as error:  # raised in the thread that awaits the results
            ahead.put(error)

    threading.Thread(target=feed, daemon=True, name="names").start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
