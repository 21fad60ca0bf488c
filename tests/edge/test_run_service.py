"""Start `asl-edge run` as systemd does: the real program with a real notification socket."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.made_pictures import save, scene

from edge.records import CameraState, LoopStep
from edge.system.systemd import Notifier, Service

ROOT = Path(__file__).parents[2]
LIMIT_S = 90  # for a busy machine; on an idle one each test takes seconds
WATCHDOG_S = 3.0


class Systemd:
    """systemd's end of the socket; `received` holds each line with its time of arrival."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.received: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def close(self) -> None:
        self._socket.close()

    def receive(self, seconds: float) -> list[str]:
        """Return the lines that arrive within this time."""
        end_t, lines = time.monotonic() + seconds, []
        while (remaining_s := end_t - time.monotonic()) > 0:
            self._socket.settimeout(remaining_s)
            try:
                message = self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
            self.received += [(time.monotonic(), line) for line in message]
            lines += message
        return lines

    def wait_for(self, beginning: str) -> str:
        """Return the next line with this beginning."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            for line in self.receive(0.2):
                if line.startswith(beginning):
                    return line
        return pytest.fail(f"expected a line with {beginning}, systemd received {self.received}")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    manager = Systemd(f"@asl-edge-test-{os.getpid()}-{time.monotonic_ns()}")
    yield manager
    manager.close()


@pytest.fixture
def settings(tiny_folder: Path, tmp_path: Path) -> Path:
    """A settings file: read F from the synthetic signer, write letters nowhere."""
    file = tmp_path / "asl-edge.toml"
    file.write_text(
        f'[camera]\nsource = "synthetic:F"\nfps = 5\n'
        f'[model]\nfolder = "{tiny_folder}"\n[letters]\noutput = "none"\n'
    )
    return file


@pytest.fixture
def start(systemd: Systemd, settings: Path, tmp_path: Path) -> Iterator[Start]:
    """Start `asl-edge run`, or another program, with systemd's environment and a file as standard error."""
    programs: list[subprocess.Popen[str]] = []

    def start_program(*command: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NOTIFY_SOCKET": systemd.address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        with (tmp_path / "stderr").open("w") as stderr:
            program = subprocess.Popen(
                command or [sys.executable, "-m", "edge", "run", "--config", str(settings)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        programs.append(program)
        return program

    yield start_program
    for program in programs:
        program.kill()
        program.wait()
        assert program.stdout is not None
        program.stdout.close()


def end(program: subprocess.Popen[Any], number: signal.Signals = signal.SIGTERM) -> float:
    """Send the signal and return the seconds until the program ended with exit code 0."""
    signal_t = time.monotonic()
    program.send_signal(number)
    assert program.wait(LIMIT_S) == 0
    return time.monotonic() - signal_t


def test_run_waits_for_a_camera_that_is_absent_at_the_start(
    systemd: Systemd, start: Start, settings: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    settings.write_text(settings.read_text().replace("synthetic:F", f"replay:{pictures}"))
    program = start()
    assert "pictures" in systemd.wait_for("STATUS=waiting for the camera")
    assert program.poll() is None
    pictures.mkdir()
    save(pictures / "1.png", scene(0, 200, 200))
    systemd.wait_for("READY=1")
    assert program.wait(LIMIT_S) == 0
    assert (tmp_path / "stderr").read_text().count("asl-edge tries again") == 1


def test_signal_ends_the_wait_for_a_camera_at_once(systemd: Systemd, start: Start, settings: Path) -> None:
    settings.write_text(settings.read_text().replace("synthetic:F", "usb:/dev/no-such-camera"))
    program = start()
    systemd.wait_for("STATUS=waiting for the camera")
    assert end(program) < 5


def test_first_frame_sends_ready_and_the_watchdog_is_fed_in_time(systemd: Systemd, start: Start) -> None:
    program = start()
    systemd.wait_for("READY=1")
    systemd.receive(3 * WATCHDOG_S)
    fed = [t for t, line in systemd.received if line == "WATCHDOG=1"]
    assert len(fed) >= 3
    assert len(fed) <= 12, "the watchdog is fed more often than necessary"
    assert [line for _, line in systemd.received].count("READY=1") == 1
    end(program)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_service_cleanly_and_announces_it(
    systemd: Systemd, start: Start, number: signal.Signals
) -> None:
    program = start()
    systemd.wait_for("READY=1")
    assert end(program, number) < 10  # usually 1 s
    assert "STOPPING=1" in systemd.receive(0.2)


def test_status_shows_rate_and_camera_but_no_letter(systemd: Systemd, start: Start, settings: Path) -> None:
    settings.write_text(settings.read_text() + '[log]\nlevel = "info"\n')
    start()
    statuses = [systemd.wait_for("STATUS=")]
    while "no letter yet" in statuses[-1]:
        statuses.append(systemd.wait_for("STATUS="))
    form = r"STATUS=\d+\.\d frames/s, (no letter yet|last letter \d+ s ago), synthetic live, reopened 0 times"
    assert all(re.fullmatch(form, status) for status in statuses)


def test_letters_reach_neither_the_log_nor_systemd_by_default(
    systemd: Systemd, start: Start, settings: Path, tmp_path: Path
) -> None:
    letters = tmp_path / "letters.jsonl"
    settings.write_text(settings.read_text().replace('"none"', f'"{letters}"'))
    program = start()
    deadline = time.monotonic() + LIMIT_S
    while not (letters.exists() and letters.read_text()):
        assert time.monotonic() < deadline
        systemd.receive(0.2)
    end(program)
    systemd.receive(0.2)
    output = (tmp_path / "stderr").read_text() + "".join(line for _, line in systemd.received)
    assert '"letter": "F"' in letters.read_text()
    assert program.stdout is not None
    assert program.stdout.read() == ""
    assert re.findall(r"\b[A-Z]\b", output) == []
    assert " frames read, " in output


def test_debug_log_contains_letters(systemd: Systemd, start: Start, settings: Path, tmp_path: Path) -> None:
    settings.write_text(settings.read_text() + '[log]\nlevel = "debug"\n')
    program = start()
    while "last letter" not in systemd.wait_for("STATUS="):
        pass
    end(program)
    assert "read F" in (tmp_path / "stderr").read_text()


def test_reload_applies_valid_settings_in_the_same_process(
    systemd: Systemd, start: Start, settings: Path, tmp_path: Path
) -> None:
    program = start()
    systemd.wait_for("READY=1")
    settings.write_text(settings.read_text().replace('"none"', '"-"'))
    program.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1")
    lines = [line for _, line in systemd.received] + systemd.receive(2)
    assert any(re.fullmatch(r"MONOTONIC_USEC=\d+", line) for line in lines)
    assert "READY=1" in lines[lines.index("RELOADING=1") :]
    assert program.stdout is not None
    assert '"letter": "F"' in program.stdout.readline()
    end(program)
    assert "the settings were reloaded" in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[letters]",
            "[letters]\nholds = 1",
            "no setting 'holds' in [letters]; did you mean 'hold_s'?",
        ),
        ('"synthetic:F"', '"webcam"', "there is no camera 'webcam'"),
        ('"synthetic:F"', '"usb:97"', "there is no camera /dev/video97"),
        ("folder = ", 'folder = "/nowhere"  # ', "/nowhere is no deployment package"),
        ('"none"', '"/nowhere/letters"', "letters.output is /nowhere/letters, which can't be written"),
    ],
)
def test_reload_logs_invalid_settings_and_keeps_the_old_ones(
    systemd: Systemd, start: Start, settings: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    program = start()
    systemd.wait_for("READY=1")
    settings.write_text(settings.read_text().replace(old, new))
    program.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1")
    systemd.wait_for("STATUS=")
    systemd.wait_for("STATUS=")
    end(program)
    (line,) = (
        line for line in (tmp_path / "stderr").read_text().splitlines() if "settings are not used" in line
    )
    assert message in line


HOSTILE_SETTINGS = {
    "fps = " + "[" * 5000: "is not a settings file: its values are nested too deeply",
    "a." * 9000 + "a = 1": "its values are nested too deeply",
    "a = " + "{b = " * 3000: "its values are nested too deeply",
    "fps = 0x" + "f" * 5000: "camera.fps must be from 1 to 240, got a number that is too large",
    "fps = " + "9" * 5000: "is not valid TOML",
    'source = "pi:' + "9" * 4000 + '"': "there is no camera 'pi:999",
    'source = "' + "x" * 5000 + '"': "camera.source must be at most 4096 characters",
    "#" * 100_000: "it is larger than 100,000 bytes",
    '"\\u001b\\n" = 1': "there is no setting '\\x1b\\n' in [camera]",
}


def test_reload_survives_whatever_the_file_holds(
    systemd: Systemd, start: Start, settings: Path, tmp_path: Path
) -> None:
    program = start()
    systemd.wait_for("READY=1")
    good = settings.read_text()
    for number, (text, sentence) in enumerate(HOSTILE_SETTINGS.items()):
        settings.write_text(good.replace('source = "synthetic:F"\nfps = 5', text))
        program.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + LIMIT_S
        refused: list[str] = []
        while len(refused) <= number and time.monotonic() < deadline:
            time.sleep(0.05)
            lines = (tmp_path / "stderr").read_text().splitlines()
            refused = [line for line in lines if "the new settings are not used: " in line]
        assert sentence in refused[-1]
        assert len(refused[-1]) < 3000
    systemd.wait_for("STATUS=")
    end(program)


def stuck(tiny_folder: Path, part: str) -> tuple[str, ...]:
    """Return the command of a program whose `engine` or `camera` hangs."""
    return (sys.executable, str(ROOT / "tests/support/stuck.py"), str(tiny_folder), part)


@pytest.mark.slow
def test_hanging_engine_stops_the_watchdog_notifications(
    systemd: Systemd, start: Start, tiny_folder: Path
) -> None:
    start(*stuck(tiny_folder, "engine"))
    systemd.wait_for("STATUS=")  # the engine works for its first five seconds
    while "WATCHDOG=1" in systemd.receive(2 * WATCHDOG_S):
        assert len(systemd.received) < 200
    assert systemd.receive(2 * WATCHDOG_S) == []


@pytest.mark.slow
def test_hanging_camera_delays_neither_the_watchdog_nor_the_exit(
    systemd: Systemd, start: Start, tiny_folder: Path
) -> None:
    program = start(*stuck(tiny_folder, "camera"))
    while "usb:0 blind" not in systemd.wait_for("STATUS="):
        assert len(systemd.received) < 200
    assert "WATCHDOG=1" in systemd.receive(2 * WATCHDOG_S)
    assert end(program) < 10  # usually 1 s


def test_steps_without_a_frame_feed_the_watchdog_but_do_not_send_ready(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    service = Service()
    blind = CameraState("usb:0", "blind", 3, 9.0, 0)
    start_t, lines = time.monotonic(), []
    while time.monotonic() - start_t < 3:
        service.observe(LoopStep(blind))
        lines += systemd.receive(0.05)  # often, because the socket queues only ten messages
    assert 3 <= lines.count("WATCHDOG=1") <= 31
    assert "READY=1" not in lines
    assert "STATUS=0.0 frames/s, no letter yet, usb:0 blind, reopened 3 times" in lines
    service.notify.close()


def test_watchdog_of_another_process_is_not_fed(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    service = Service()
    service.observe(LoopStep(CameraState("usb:0", "live", 0, 0.0, 0)))
    assert "WATCHDOG=1" not in systemd.receive(0.2)
    service.notify.close()


def send(count: int) -> list[bool]:
    """Notify systemd this often."""
    notifier = Notifier()
    sent = [notifier("WATCHDOG=1") for _ in range(count)]
    notifier.close()
    return sent


def test_notification_of_an_absent_or_busy_systemd_does_not_block_and_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "absent"))
    assert send(3) == [False] * 3
    assert [record.message for record in caplog.records] == [
        "systemd can't be told WATCHDOG=1: no such file or directory"
    ]
    manager = Systemd(str(tmp_path / "full"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    sent = send(10_000)
    assert sent[0]
    assert not sent[-1]
    manager.close()
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert send(1) == [False]


def test_watchdog_is_fed_by_a_process_that_has_no_descriptor_left(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    notifier = Notifier()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert notifier("WATCHDOG=1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        notifier.close()


def test_journal_gets_priorities_and_no_letters(systemd: Systemd, settings: Path, tmp_path: Path) -> None:
    (journal := tmp_path / "journal").touch()
    settings.write_text(settings.read_text().replace('output = "none"\n', ""))
    stream = journal.stat()
    with journal.open("a") as journald:
        program = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(settings)],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "NOTIFY_SOCKET": systemd.address,
                "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}",
            },
            stdin=subprocess.DEVNULL,
            stdout=journald,
            stderr=journald,
        )
    while "last letter" not in systemd.wait_for("STATUS="):
        pass
    settings.write_text("[camera]\nfps = 0")
    program.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1")
    systemd.wait_for("STATUS=")
    end(program)
    error, summary = journal.read_text().splitlines()
    assert error.startswith("<3>the new settings are not used: ")
    assert re.match(r"<6>\d+ frames read, \d+ dropped, [1-9]\d* letters", summary)
