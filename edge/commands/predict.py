"""`asl-edge predict`: picture files -> one JSON line each, in the order given."""

import argparse
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.build import build_reader
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.errors import PictureError, SettingsError, lacks_memory, os_errors_as
from edge.hand.reader import HandReader
from edge.pictures import NO_MEMORY, read_picture
from edge.printable import printable
from edge.records import Prediction
from edge.system.stdout import say

STANDARD_INPUT = 0
MAX_NAME_BYTES = 4096  # the longest path of Linux


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="picture; - takes names from standard input")
    add_settings(parser, MODEL)


def main(arguments: argparse.Namespace) -> int:
    """Return 1 if a picture can't be read."""
    if not arguments.files:
        raise SettingsError("predict got no files: name pictures, or - to take names from standard input")
    settings = load_settings(arguments)
    reader = build_reader(replace(settings, threads=1))
    code = 0
    for result in predict_files(iterate_names(arguments.files), reader, parallel=settings.threads):
        code = 1 if "error" in result else code
        say(json.dumps(result))
    return code


def iterate_names(arguments: list[str]) -> Iterator[str]:
    """Yield file names in order; `-` stands for the lines of standard input, each as soon as it arrives."""
    for argument in arguments:
        if argument == "-":
            yield from _input_lines()
        else:
            yield argument


def predict_files(names: Iterable[str], reader: HandReader, parallel: int = 1) -> Iterator[dict[str, Any]]:
    """Yield one result per name, in order: file, letter, confidence, top, box_xyxy; or file and error.

    `parallel` pictures are decoded and read at a time, each with one thread: for so small a network that is
    faster than to split one inference between threads.
    """

    def predict_file(name: str) -> dict[str, Any]:
        if not name:  # Path("") is the current folder
            return {"file": name, "error": "the name is empty"}
        try:
            image = read_picture(Path(name))
            return {"file": name, **_format(reader.read(image))}
        except PictureError as error:
            return {"file": name, "error": str(error)}
        except Exception as error:
            if not lacks_memory(error):
                raise
            return {"file": name, "error": f"{printable(name)}: {NO_MEMORY}"}

    for future in _in_order(names, predict_file, parallel):
        yield future.result()


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
    names: Iterable[str], predict_file: Callable[[str], dict[str, Any]], parallel: int
) -> Iterator["Future[dict[str, Any]]"]:
    """Yield results in the order of the names. At most `parallel` pictures are in memory.

    Another thread takes the names, so that a picture's result does not wait for the next name.
    """
    ahead: queue.Queue[Future[dict[str, Any]] | Exception | None] = queue.Queue(2 * parallel)
    pool = ThreadPoolExecutor(parallel)

    def feed() -> None:
        try:
            for name in names:
                ahead.put(pool.submit(predict_file, name))
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
