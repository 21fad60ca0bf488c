"""MQTT with a real mosquitto, which the tests start, stop and restart."""

import json
import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from support.mosquitto import Broker, Subscriber, make_snapshot, needs_mosquitto, wait_for_log

from edge.errors import SettingsError
from edge.records import Hint
from edge.settings import Settings
from edge.sinks.mqtt import Mqtt
from edge.sinks.mqtt_url import parse_broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    yield broker
    broker.end()


def settings_for(broker: Broker, **changes: Any) -> Settings:
    return replace(Settings(), mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_name="hall board", **changes)


@needs_mosquitto
def test_letters_text_status_and_availability_are_published(broker: Broker) -> None:
    subscriber = Subscriber(broker.start().port)
    with Mqtt(settings_for(broker)) as mqtt:
        subscriber.wait_for("asl-edge/hall_board/availability", "online")
        mqtt(make_snapshot("H", Hint("unsure", "Not sure between M and N.")))
        subscriber.wait_for("asl-edge/hall_board/text", "H")
        assert json.loads(subscriber.wait_for("asl-edge/hall_board/letter"))["letter"] == "H"
        subscriber.wait_for("asl-edge/hall_board/status", "Not sure between M and N.")
    subscriber.wait_for("asl-edge/hall_board/availability", "offline")
    subscriber.end()


@needs_mosquitto
def test_three_sensors_are_announced_to_home_assistant(broker: Broker) -> None:
    subscriber = Subscriber(broker.start().port)
    with Mqtt(settings_for(broker)):
        for topic in ("letter", "text", "status"):
            config = json.loads(
                subscriber.wait_for(f"homeassistant/sensor/asl_edge_hall_board/{topic}/config")
            )
            assert config["state_topic"] == f"asl-edge/hall_board/{topic}"
            assert config["availability_topic"] == "asl-edge/hall_board/availability"
            assert config["device"]["name"] == "hall board"
            assert config["unique_id"] == f"asl_edge_hall_board_{topic}"
    subscriber.end()


@needs_mosquitto
def test_newest_messages_are_published_whenever_the_broker_comes_back(broker: Broker) -> None:
    with Mqtt(settings_for(broker)) as mqtt:
        began_t = time.monotonic()
        for text in ("A", "AB", "ABC"):
            mqtt(make_snapshot(text))
        assert time.monotonic() - began_t < 0.1  # the calls don't wait for an absent broker
        subscriber = Subscriber(broker.start().port)
        subscriber.wait_for("asl-edge/hall_board/text", "ABC")
        assert json.loads(subscriber.wait_for("asl-edge/hall_board/letter"))["letter"] == "C"
        subscriber.end()
        broker.end()
        mqtt(make_snapshot("ABCD"))
        mqtt(make_snapshot("ABCDE"))
        subscriber = Subscriber(broker.start().port)
        subscriber.wait_for("asl-edge/hall_board/text", "ABCDE")
        subscriber.wait_for("asl-edge/hall_board/availability", "online")
        subscriber.end()


@needs_mosquitto
def test_broker_publishes_offline_when_the_board_vanishes(broker: Broker) -> None:
    code = (
        "import sys, time; from edge.settings import Settings; from edge.sinks.mqtt import Mqtt\n"
        "with Mqtt(Settings(mqtt=sys.argv[1], mqtt_name='hall board')): time.sleep(600)"
    )
    subscriber = Subscriber(broker.start().port)
    board = subprocess.Popen([sys.executable, "-c", code, settings_for(broker).mqtt])
    subscriber.wait_for("asl-edge/hall_board/availability", "online")
    board.kill()  # its connection ends without a DISCONNECT
    board.wait()
    subscriber.wait_for("asl-edge/hall_board/availability", "offline")
    subscriber.end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder: ca.pem is a CA, server.pem its certificate for 127.0.0.1, other.pem another CA."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: apt install openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker",
            "-keyout", "server.key", "-out", "s.csr")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    return folder


@needs_mosquitto
# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_password_work_and_each_failure_is_logged(
    tmp_path: Path, certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "board", "secret"], check=True)
    lines = [
        f"{key} {certificates / file}"
        for key, file in (("certfile", "server.pem"), ("keyfile", "server.key"))
    ]
    broker = Broker(tmp_path, *lines, "allow_anonymous false", f"password_file {passwords}").start()
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")

    def configure(client: paho.Client) -> None:
        client.tls_set(str(certificates / "ca.pem"))
        client.username_pw_set("board", "secret")

    settings = replace(
        settings_for(broker),
        mqtt=f"mqtts://127.0.0.1:{broker.port}",
        mqtt_user="board",
        mqtt_password_file=str(tmp_path / "password"),
        mqtt_ca_file=str(certificates / "ca.pem"),
    )
    subscriber = Subscriber(broker.port, configure)
    try:
        with caplog.at_level(logging.WARNING):
            with Mqtt(replace(settings, mqtt_ca_file=str(certificates / "other.pem"))):
                wait_for_log(caplog, "certificate is not trusted")
            with Mqtt(replace(settings, mqtt=f"mqtts://localhost:{broker.port}")):
                wait_for_log(caplog, "use the host name in the certificate")
            with Mqtt(replace(settings, mqtt_password_file=str(tmp_path / "wrong"))):
                wait_for_log(caplog, "the broker refuses the connection")
        assert not any("availability" in topic for topic in subscriber.messages)
        with Mqtt(settings) as mqtt:
            mqtt(make_snapshot("H"))
            subscriber.wait_for("asl-edge/hall_board/text", "H")
        assert "secret" not in caplog.text
        assert "guess" not in caplog.text
    finally:
        subscriber.end()
        broker.end()


@needs_mosquitto
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
def test_broker_without_tls_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path, "allow_anonymous true").start()
    settings = replace(settings_for(broker), mqtt=f"mqtts://127.0.0.1:{broker.port}")
    try:
        with caplog.at_level(logging.WARNING), Mqtt(settings):
            wait_for_log(caplog, "the TLS handshake failed")
    finally:
        broker.end()


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://b:x",
        "mqtt://b:99999",
        "mqtt://b/a",
        "mqtt://[::1",
        "mqtt://a..b",
        "mqtt://" + 64 * "a",
    ],
)
def test_invalid_broker_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="must be mqtt://HOST:PORT or mqtts://HOST:PORT"):
        parse_broker(url)


def test_password_in_the_url_is_refused_without_repeating_it() -> None:
    for url in (
        "mqtt://board:secret@broker",
        "mqtt://board:secret@[::1",
        "secret@broker",
        "mqtt://b:secret@c:x",
    ):
        with pytest.raises(SettingsError, match="must be") as caught:
            parse_broker(url)
        assert "secret" not in str(caught.value)


def test_default_ports_are_1883_and_8883() -> None:
    assert parse_broker("mqtt://broker") == ("mqtt", "broker", 1883)
    assert parse_broker("mqtts://[::1]") == ("mqtts", "::1", 8883)


def test_ca_file_without_tls_is_refused() -> None:
    settings = replace(Settings(), mqtt="mqtt://broker", mqtt_ca_file="ca.pem")
    with pytest.raises(SettingsError, match=r"needs TLS: .* got mqtt://broker"):
        Mqtt(settings)


def test_device_as_ca_file_is_refused() -> None:
    settings = replace(Settings(), mqtt="mqtts://broker", mqtt_ca_file="/dev/zero")
    with pytest.raises(SettingsError, match=r"mqtt.ca_file is /dev/zero, .*: it is a device, not a file"):
        Mqtt(settings)


def test_broker_that_sends_what_nobody_asked_for_loses_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = replace(Settings(), mqtt=f"mqtt://127.0.0.1:{listening.getsockname()[1]}")
        with Mqtt(settings):
            broker, _ = listening.accept()
            broker.settimeout(10)
            message = b"\x30\xff\xff\xff\x7f" + b"x" * 50_000_000  # it says that it has 256 MB
            with broker, pytest.raises(ConnectionError):
                broker.sendall(b"\x20\x02\0\0" + message)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_absent_or_invalid_ca_file_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    settings = replace(Settings(), mqtt="mqtts://broker", mqtt_ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match=r"mqtt.ca_file is .* which can't be used"):
        Mqtt(settings)
