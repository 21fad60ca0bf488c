"""The page's end of the link to the loop's process: questions, their answers, and commands.

A question is a line of JSON. Its answer is a line of JSON, which gives the number of `bytes` that follow. A
command is a line of JSON without an answer. edge/web/server.py is the other end.
"""

import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Literal

Question = Literal["state", "picture", "health", "metrics"]

# How long an answer is used for all clients: what the page costs the loop's process does not grow with them.
FRESH_S: dict[Question, float] = {"state": 0.1, "picture": 0.1, "health": 0.2, "metrics": 0.5}
ANSWER_S = 2.0  # after which the loop's process is taken to hang
MAX_UNREAD_BYTES = 16384  # of commands


@dataclass(frozen=True)
class Answer:
    """The answer to a question."""

    number: int = -1  # of the step or frame; unchanged if there is nothing new
    body: bytes = b""
    head: dict[str, Any] = field(default_factory=dict)


class Link:
    """Asks the loop's process each question once for all clients."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: Counter[str]
    ) -> None:
        self._reader, self._writer, self._counts = reader, writer, counts
        self._asked: dict[Question, tuple[float, asyncio.Future[Answer]]] = {}
        self._newest: dict[Question, Answer] = {}
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()

    async def ask(self, question: Question) -> Answer | None:
        """Return the newest answer, or None if the loop's process does not answer in time."""
        asked_s, answer = self._asked.get(question, (0.0, None))
        if answer is None or (answer.done() and time.monotonic() - asked_s >= FRESH_S[question]):
            answer = asyncio.get_running_loop().create_future()
            self._asked[question] = (time.monotonic(), answer)
            self._waiting.append((question, answer))
            line: dict[str, object] = {"ask": question}
            if question in self._newest:
                line["have"] = self._newest[question].number
            if question == "metrics":
                line["counts"] = dict(self._counts)
                self._counts.clear()
            self._send(line)
        done, _ = await asyncio.wait({answer}, timeout=ANSWER_S)
        return answer.result() if done else None

    def tell(self, command: str, argument: str) -> None:
        """Send a command: `edit` or `teach`, with its argument. A loop's process that hangs gets no more."""
        if self._writer.transport.get_write_buffer_size() < MAX_UNREAD_BYTES:
            self._send({command: argument})

    async def receive(self) -> None:
        """Receive answers until the loop's process closes the link."""
        while line := await self._reader.readline():
            head = json.loads(line)
            body = await self._reader.readexactly(head["bytes"])
            question, future = self._waiting.popleft()
            answer = Answer(head["number"], body, head)
            before = self._newest.get(question)
            if before is not None and answer.number == before.number and not body:
                answer = before  # nothing new
            self._newest[question] = answer
            if not future.done():
                future.set_result(answer)

    def _send(self, line: dict[str, object]) -> None:
        self._writer.write(json.dumps(line).encode() + b"\n")
