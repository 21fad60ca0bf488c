"""MQTT with a real mosquitto that the test starts, stops and starts again."""

import json
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from edge.errors import SettingsError
from edge.records import CameraState, Hint, LetterEvent, LoopStep, Snapshot
from edge.settings import Settings
from edge.sinks.mqtt import Mqtt, parse_broker

MOSQUITTO = shutil.which("mosquitto") or (
    "/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else ""
)
needs_mosquitto = pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here: apt install mosquitto")
PATIENCE_S = 30


class Broker:
    """A mosquitto on a free port; `again` starts it on the same one, without what it kept."""

    def __init__(self, folder: Path, *lines: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines]) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def again(self) -> "Broker":
        self.process = subprocess.Popen([MOSQUITTO, "-c", self._config], stderr=subprocess.DEVNULL)
        wait_until(self._listens, "the broker listens")
        return self

    def end(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def _listens(self) -> bool:
        with socket.socket() as there:
            return there.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Whoever else is at the broker: the newest message of each topic."""

    def __init__(self, port: int, change: Callable[[paho.Client], None] = lambda client: None) -> None:
        self.heard: dict[str, str] = {}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        change(self._client)
        self._client.on_connect = lambda client, *_: client.subscribe("#")
        self._client.on_message = lambda c, u, m: self.heard.update({m.topic: m.payload.decode()})
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def waits_for(self, topic: str, message: str | None = None) -> str:
        wanted = lambda: topic in self.heard and message in (None, self.heard[topic])  # noqa: E731
        wait_until(wanted, f"{message!r} at {topic}; heard {self.heard}")
        return self.heard[topic]

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_until(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for this: {what}"
        time.sleep(0.05)


def snapshot(text: str, hint: Hint | None = None) -> Snapshot:
    """A turn that read the text's last letter."""
    event = LetterEvent(text[-1], 0.9, 1.0, 1.5, text) if text else None
    camera = CameraState("usb:0", "live", 0, 0.0, 0)
    hint = hint or Hint("", "")
    return Snapshot(0, 0.0, LoopStep(camera, event=event), None, text, hint, 15.0, 0.02, 0.0, (), 1, 1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, "allow_anonymous true")
    yield broker
    broker.end()


def settings_for(broker: Broker, **changes: Any) -> Settings:
    return replace(Settings(), mqtt=f"mqtt://127.0.0.1:{broker.port}", mqtt_name="hall board", **changes)


@needs_mosquitto
def test_letters_text_and_availability_reach_the_broker(broker: Broker) -> None:
    listener = Listener(broker.again().port)
    with Mqtt(settings_for(broker)) as mqtt:
        listener.waits_for("asl-edge/hall_board/availability", "online")
        mqtt(snapshot("H", Hint("unsure", "Not sure between M and N.")))
        listener.waits_for("asl-edge/hall_board/text", "H")
        assert json.loads(listener.waits_for("asl-edge/hall_board/letter"))["letter"] == "H"
        listener.waits_for("asl-edge/hall_board/status", "Not sure between M and N.")
    listener.waits_for("asl-edge/hall_board/availability", "offline")
    listener.end()


@needs_mosquitto
def test_home_assistant_is_told_of_three_sensors(broker: Broker) -> None:
    listener = Listener(broker.again().port)
    with Mqtt(settings_for(broker)):
        for topic in ("letter", "text", "status"):
            config = json.loads(
                listener.waits_for(f"homeassistant/sensor/asl_edge_hall_board/{topic}/config")
            )
            assert config["state_topic"] == f"asl-edge/hall_board/{topic}"
            assert config["availability_topic"] == "asl-edge/hall_board/availability"
            assert config["device"]["name"] == "hall board"
            assert config["unique_id"] == f"asl_edge_hall_board_{topic}"
    listener.end()


@needs_mosquitto
def test_broker_that_is_down_at_the_start_goes_and_comes_back_gets_the_newest(broker: Broker) -> None:
    with Mqtt(settings_for(broker)) as mqtt:
        began_s = time.monotonic()
        for text in ("A", "AB", "ABC"):
            mqtt(snapshot(text))
        assert time.monotonic() - began_s < 0.1  # nothing waits for a broker that is not there
        listener = Listener(broker.again().port)
        listener.waits_for("asl-edge/hall_board/text", "ABC")
        assert json.loads(listener.waits_for("asl-edge/hall_board/letter"))["letter"] == "C"
        listener.end()
        broker.end()
        mqtt(snapshot("ABCD"))
        mqtt(snapshot("ABCDE"))
        listener = Listener(broker.again().port)
        listener.waits_for("asl-edge/hall_board/text", "ABCDE")
        listener.waits_for("asl-edge/hall_board/availability", "online")
        listener.end()


@needs_mosquitto
def test_board_that_vanishes_is_offline_by_its_last_will(broker: Broker) -> None:
    listener = Listener(broker.again().port)
    mqtt = Mqtt(settings_for(broker)).__enter__()
    listener.waits_for("asl-edge/hall_board/availability", "online")
    mqtt._client.socket().shutdown(socket.SHUT_RDWR)  # as when its cable is pulled: no goodbye
    listener.waits_for("asl-edge/hall_board/availability", "offline")
    mqtt.__exit__(None, None, None)
    listener.end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem signs server.pem for 127.0.0.1; other.pem is another CA."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl here: apt install openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    openssl(
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=broker",
        "-keyout",
        "server.key",
        "-out",
        "s.csr",
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    return folder


@needs_mosquitto
# paho leaves the socket of a refused handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_and_password_are_taken_and_a_wrong_one_is_one_sentence(
    tmp_path: Path, certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "board", "secret"], check=True)
    lines = [
        f"{key} {certificates / file}"
        for key, file in (("certfile", "server.pem"), ("keyfile", "server.key"))
    ]
    broker = Broker(tmp_path, *lines, "allow_anonymous false", f"password_file {passwords}").again()
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")

    def trusting(client: paho.Client) -> None:
        client.tls_set(str(certificates / "ca.pem"))
        client.username_pw_set("board", "secret")

    right = replace(
        settings_for(broker),
        mqtt=f"mqtts://127.0.0.1:{broker.port}",
        mqtt_user="board",
        mqtt_password_file=str(tmp_path / "password"),
        mqtt_ca_file=str(certificates / "ca.pem"),
    )
    listener = Listener(broker.port, trusting)
    try:
        with caplog.at_level(logging.WARNING):
            with Mqtt(replace(right, mqtt_ca_file=str(certificates / "other.pem"))):
                wait_until(lambda: "certificate is not trusted" in caplog.text, "a warning")
            with Mqtt(replace(right, mqtt=f"mqtts://localhost:{broker.port}")):
                wait_until(lambda: "use the host name in the certificate" in caplog.text, "a warning")
            with Mqtt(replace(right, mqtt_password_file=str(tmp_path / "wrong"))):
                wait_until(lambda: "the broker refuses the connection" in caplog.text, "a warning")
        assert not any("availability" in topic for topic in listener.heard)
        with Mqtt(right) as mqtt:
            mqtt(snapshot("H"))
            listener.waits_for("asl-edge/hall_board/text", "H")
        assert "secret" not in caplog.text
        assert "guess" not in caplog.text
    finally:
        listener.end()
        broker.end()


@needs_mosquitto
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
def test_broker_without_tls_is_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(tmp_path, "allow_anonymous true").again()
    settings = replace(settings_for(broker), mqtt=f"mqtts://127.0.0.1:{broker.port}")
    try:
        with caplog.at_level(logging.WARNING), Mqtt(settings):
            wait_until(lambda: "the TLS handshake failed" in caplog.text, "a warning")
    finally:
        broker.end()


@pytest.mark.parametrize(
    "url", ["broker", "http://broker", "mqtt://", "mqtt://b:x", "mqtt://b:99999", "mqtt://b/a", "mqtt://[::1"]
)
def test_broker_that_is_no_broker_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="must be mqtt://HOST:PORT or mqtts://HOST:PORT"):
        parse_broker(url)


def test_password_in_the_url_is_refused_and_not_repeated() -> None:
    for url in (
        "mqtt://board:secret@broker",
        "mqtt://board:secret@[::1",
        "secret@broker",
        "mqtt://b:secret@c:x",
    ):
        with pytest.raises(SettingsError, match="must be") as caught:
            parse_broker(url)
        assert "secret" not in str(caught.value)


def test_ports_are_the_usual_ones() -> None:
    assert parse_broker("mqtt://broker") == ("mqtt", "broker", 1883)
    assert parse_broker("mqtts://[::1]") == ("mqtts", "::1", 8883)


def test_ca_file_without_tls_is_refused() -> None:
    settings = replace(Settings(), mqtt="mqtt://broker", mqtt_ca_file="ca.pem")
    with pytest.raises(SettingsError, match=r"needs TLS: .* got mqtt://broker"):
        Mqtt(settings)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_ca_file_that_is_none_is_refused(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    settings = replace(Settings(), mqtt="mqtts://broker", mqtt_ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match=r"mqtt.ca_file is .* which can't be used"):
        Mqtt(settings)
