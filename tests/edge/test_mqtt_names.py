"""Devices that share a name at a broker, or change theirs, with a real mosquitto."""

import json
import logging
import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command_line import asl_edge, read_refusal
from support.mosquitto import Broker, Subscriber, make_snapshot, needs_mosquitto, wait_for_log, wait_until
from support.page_board import Board

from edge.settings import Settings
from edge.sinks import mqtt as mqtt_module
from edge.sinks.mqtt import Mqtt
from edge.sinks.mqtt_device import name_device, read_board_number

SENSORS = ("letter", "text", "status")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true").start()
    yield broker
    broker.end()


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker.port)
    yield subscriber
    subscriber.end()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a tenth of a second be the first pause, instead of a second."""
    monkeypatch.setattr(mqtt_module, "RETRY_S", (0.1, 3))
    monkeypatch.setattr(mqtt_module, "SHORT_S", 1.0)


def settings_for(broker: Broker, name: str = "hall") -> Settings:
    return replace(Settings(), mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_name=name)


def kept(broker: Broker) -> set[str]:
    """Return the topics of which the broker keeps a message."""
    subscriber = Subscriber(broker.port)
    time.sleep(0.5)  # for the broker to send them
    subscriber.end()
    return {topic for topic, message in subscriber.messages.items() if message}


def own_name() -> str:
    return f"hall_{read_board_number()}"


@needs_mosquitto
def test_second_device_of_a_name_takes_its_own(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture, hurry: None
) -> None:
    with caplog.at_level(logging.INFO), Mqtt(settings_for(broker)) as first:
        first(make_snapshot("A"))
        subscriber.wait_for("asl-edge/hall/text", "A")
        wait_until(lambda: _has_lasted(first), "a connection that lasts")
        with Mqtt(settings_for(broker)) as second:
            second(make_snapshot("B"))
            wait_for_log(caplog, f"another client has this name, hall, so this device is {own_name()}")
            subscriber.wait_for(f"asl-edge/{own_name()}/text", "B")
            subscriber.wait_for("asl-edge/hall/text", "A")
            subscriber.wait_for("asl-edge/hall/availability", "online")
            devices = {
                json.loads(subscriber.wait_for(f"homeassistant/sensor/asl_edge_{id_}/{topic}/config"))[
                    "device"
                ]["identifiers"][0]
                for id_ in ("hall", own_name())
                for topic in SENSORS
            }
            assert len(devices) == 2
            first(make_snapshot("AA"))
            second(make_snapshot("BB"))
            subscriber.wait_for("asl-edge/hall/text", "AA")
            subscriber.wait_for(f"asl-edge/{own_name()}/text", "BB")
    assert caplog.text.count("so this device is") == 1


def _has_lasted(mqtt: Mqtt) -> bool:
    lasted_s = time.monotonic() - mqtt._connected_s
    return mqtt_module.SHORT_S < lasted_s < math.inf


@pytest.mark.slow
@needs_mosquitto
def test_broker_that_gives_all_clients_one_id_is_asked_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, hurry: None
) -> None:
    (tmp_path / "passwords").touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", tmp_path / "passwords", "board", "secret"], check=True)
    lines = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    broker = Broker(tmp_path, *lines, "use_username_as_clientid true").start()
    (tmp_path / "password").write_text("secret")
    settings = replace(settings_for(broker), mqtt_user="board", mqtt_password_file=str(tmp_path / "password"))
    try:
        with caplog.at_level(logging.WARNING), Mqtt(settings) as first, Mqtt(settings) as second:
            wait_for_log(caplog, "the broker ends every connection at once: if another client has this name")
            wait_until(lambda: max(first._pause_s, second._pause_s) >= 16 * 0.1, "longer pauses")
            names = {first._device.id, second._device.id, own_name(), "hall"}
            assert len(names) <= 2 + 2 * mqtt_module.MAX_YIELDS
    finally:
        broker.end()


@needs_mosquitto
def test_device_keeps_its_own_name_after_a_restart(
    broker: Broker, subscriber: Subscriber, tmp_path: Path, caplog: pytest.LogCaptureFixture, hurry: None
) -> None:
    settings = settings_for(broker)
    with Mqtt(settings) as first:
        wait_until(lambda: _has_lasted(first), "a connection that lasts")
        with Mqtt(settings, tmp_path):
            subscriber.wait_for(f"asl-edge/{own_name()}/availability", "online")
        subscriber.wait_for(f"asl-edge/{own_name()}/availability", "offline")
        with Mqtt(settings, tmp_path):
            subscriber.wait_for(f"asl-edge/{own_name()}/availability", "online")
        with Mqtt(settings_for(broker, "porch"), tmp_path):
            subscriber.wait_for("asl-edge/porch/availability", "online")
    assert caplog.text.count("so this device is") == 1, "it fought for the name again"
    assert not [topic for topic in kept(broker) if own_name() in topic]
    assert "asl-edge/hall/availability" in kept(broker), "another device was removed"


@needs_mosquitto
def test_new_name_leaves_nothing_of_the_old_one(
    broker: Broker, subscriber: Subscriber, tmp_path: Path
) -> None:
    with Mqtt(settings_for(broker, "old"), tmp_path) as mqtt:
        mqtt(make_snapshot("A"))
        subscriber.wait_for("asl-edge/old/text", "A")
    assert kept(broker) == set(name_device("old").retained_topics()) - {"asl-edge/old/status"}
    with Mqtt(settings_for(broker, "new"), tmp_path):
        subscriber.wait_for("asl-edge/new/availability", "online")
        wait_until(lambda: not [topic for topic in kept(broker) if "old" in topic], "no old topic")
    assert "asl-edge/new/availability" in kept(broker)


@needs_mosquitto
def test_program_beside_another_with_its_folder_removes_nothing(
    broker: Broker, subscriber: Subscriber, tmp_path: Path
) -> None:
    with Mqtt(settings_for(broker, "left"), tmp_path):
        subscriber.wait_for("asl-edge/left/availability", "online")
        with Mqtt(settings_for(broker, "right"), tmp_path):
            subscriber.wait_for("asl-edge/right/availability", "online")
        assert set(name_device("left").retained_topics()) & kept(broker)


@needs_mosquitto
def test_unpublish_removes_what_run_left_at_the_broker(
    broker: Broker, tiny_folder: Path, tmp_path: Path
) -> None:
    url, state = f"mqtt://127.0.0.1:{broker.port}", tmp_path / "state"
    flags: tuple[Any, ...] = ("--mqtt", url, "--mqtt-name", "hall", "--state-dir", state)
    board = Board("--camera", "synthetic:A", "--model", tiny_folder, *flags)
    wait_until(lambda: "asl-edge/hall/letter" in kept(broker), "a letter")
    board.end()
    assert len(kept(broker)) >= 6
    done = asl_edge("unpublish", "--mqtt", url, "--state-dir", state, "--mqtt-name", "hall")
    assert (done.returncode, done.stdout) == (0, f"removed from {url}: hall\n")
    assert kept(broker) == set()


@needs_mosquitto
def test_unpublish_removes_the_name_that_the_device_took_and_not_the_others(
    broker: Broker, tmp_path: Path
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    registration = {"url": url, "name": "hall", "device_name": "hall 3fa2", "device_id": "hall_3fa2"}
    (tmp_path / "mqtt.json").write_text(json.dumps(registration))
    flags = ("unpublish", "--mqtt", url, "--state-dir", tmp_path)
    for more, names in (
        (("--mqtt-name", "hall"), "hall_3fa2"),
        (("--mqtt-name", "hall_3fa2"), "hall_3fa2"),
        (("--mqtt-name", "old"), "old"),
    ):
        assert asl_edge(*flags, *more).stdout == f"removed from {url}: {names}\n"
    (tmp_path / "settings.toml").write_text('[mqtt]\nname = "new"\n')
    done = asl_edge(*flags, "--config", tmp_path / "settings.toml")
    assert done.stdout == f"removed from {url}: new, hall_3fa2\n"


def test_unpublish_without_a_broker_says_so() -> None:
    assert asl_edge("unpublish").stdout == "mqtt.url is not set: no broker keeps anything of this device\n"
    refusal = read_refusal(asl_edge("unpublish", "--mqtt", "mqtt://127.0.0.1:1"))
    assert "mqtt: 127.0.0.1:1: the broker can't be reached (Connection refused)" in refusal


def test_boards_have_numbers_of_their_own(tmp_path: Path) -> None:
    assert read_board_number() == read_board_number()
    numbers = set()
    for number, (path, text) in enumerate(
        [
            ("proc/device-tree/serial-number", "10000000a1b2c3d4\0"),
            ("proc/device-tree/serial-number", "10000000a1b2c3d5\0"),
            ("etc/machine-id", "0123\n"),
        ]
    ):
        root = tmp_path / str(number)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/machine-id").write_text("0123\n")  # as on a copied memory card
        numbers.add(read_board_number(root))
    assert len(numbers) == 3
