"""Picture files -> one answer each, in the order given, for `asl-edge predict`."""

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edge.errors import PictureError, SettingsError
from edge.hand.reader import HandReader
from edge.pictures import read_picture
from edge.records import Prediction

STANDARD_INPUT = 0


def names_of(arguments: list[str]) -> Iterator[str]:
    """File names in order; `-` stands for the lines of standard input, each given on as soon as it came."""
    for argument in arguments:
        if argument == "-":
            yield from _input_lines()
        else:
            yield argument


def predict_files(names: Iterable[str], reader: HandReader, at_a_time: int = 1) -> Iterator[dict[str, Any]]:
    """One answer a name, in order: file, letter, confidence, top, box_xyxy; or file and error.

    `at_a_time` pictures are decoded and read side by side, each by an engine of one thread: so small a
    network gains more from that than from sharing one reading between threads.
    """

    def answer(name: str) -> dict[str, Any]:
        if not name:  # as a path it would be the folder here
            return {"file": name, "error": "the name is empty"}
        try:
            image = read_picture(Path(name))
        except PictureError as error:
            return {"file": name, "error": str(error)}
        return {"file": name, **_words(reader.read(image))}

    for answered in _in_order(names, answer, at_a_time):
        yield answered.result()


def _words(prediction: Prediction) -> dict[str, Any]:
    hand = prediction.hand
    return {
        "letter": prediction.letter,
        "confidence": round(prediction.confidence, 4),
        "top": [[letter, round(confidence, 4)] for letter, confidence in prediction.top[:3]],
        "box_xyxy": None if hand is None else [round(side, 1) for side in hand.box_xyxy],
    }


def _input_lines() -> Iterator[str]:
    """os.read, not sys.stdin: a thread that waits in sys.stdin can stop the interpreter from ending."""
    rest = b""
    while block := _input_block():
        *lines, rest = (rest + block).split(b"\n")
        yield from filter(None, map(_name_in, lines))
    if name := _name_in(rest):
        yield name


def _name_in(line: bytes) -> str:
    """Without what a list that was made on Windows has at its end."""
    return os.fsdecode(line.removesuffix(b"\r"))


def _input_block() -> bytes:
    try:
        return os.read(STANDARD_INPUT, 1 << 16)
    except OSError as error:
        raise SettingsError(f"standard input can't be read for names: {error.strerror}") from None


def _in_order(
    names: Iterable[str], answer: Callable[[str], dict[str, Any]], at_a_time: int
) -> Iterator["Future[dict[str, Any]]"]:
    """Answers in the order of their names, a few begun ahead; no more pictures in memory than `at_a_time`.

    Names are taken in a thread of their own, so that one picture is answered before the next name comes.
    """
    ahead: queue.Queue[Future[dict[str, Any]] | Exception | None] = queue.Queue(2 * at_a_time)
    pool = ThreadPoolExecutor(at_a_time)

    def feed() -> None:
        try:
            for name in names:
                ahead.put(pool.submit(answer, name))
            ahead.put(None)
        except Exception as error:  # raised where the answers are awaited, not in this thread
            ahead.put(error)

    threading.Thread(target=feed, daemon=True, name="names").start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
