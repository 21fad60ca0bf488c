"""A real mosquitto, and a subscriber to everything, for the tests of MQTT."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from edge.records import CameraState, Hint, LetterEvent, LoopStep, Snapshot

MOSQUITTO = shutil.which("mosquitto") or (
    "/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else ""
)
needs_mosquitto = pytest.mark.skipif(
    not MOSQUITTO, reason="mosquitto is not installed: apt install mosquitto"
)
TIMEOUT_S = 30


class Broker:
    """A mosquitto on a free port. `start` after `end` uses the same port, with no retained messages."""

    def __init__(self, folder: Path, *lines: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines]) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Broker":
        self.process = subprocess.Popen([MOSQUITTO, "-c", self._config], stderr=subprocess.DEVNULL)
        wait_until(self._listens, "the broker listens")
        return self

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(TIMEOUT_S)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """A subscriber to all topics, which keeps the newest message of each."""

    def __init__(self, port: int, configure: Callable[[paho.Client], None] = lambda client: None) -> None:
        self.messages: dict[str, str] = {}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        configure(self._client)
        self._client.on_connect = lambda client, *_: client.subscribe("#")
        self._client.on_message = lambda c, u, m: self.messages.update({m.topic: m.payload.decode()})
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def wait_for(self, topic: str, message: str | None = None) -> str:
        """Wait for this message of the topic, or for any, and return it."""
        wait_until(
            lambda: topic in self.messages and message in (None, self.messages[topic]),
            f"{message!r} at {topic}; received {self.messages}",
        )
        return self.messages[topic]

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_until(condition: Callable[[], Any], description: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S} s until {description}"
        time.sleep(0.05)


def make_snapshot(text: str, hint: Hint | None = None) -> Snapshot:
    """Return the snapshot of a loop step that read the last letter of the text."""
    event = LetterEvent(text[-1], 0.9, 1.0, 1.5, text) if text else None
    camera = CameraState("usb:0", "live", 0, 0.0, 0)
    hint = hint or Hint("", "")
    return Snapshot(0, 0.0, LoopStep(camera, event=event), None, text, hint, 15.0, 0.02, 0.0, (), 1, 1)


def wait_for_log(caplog: pytest.LogCaptureFixture, words: str) -> None:
    wait_until(lambda: words in caplog.text, f"the log contains {words!r}")
