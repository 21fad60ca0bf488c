"""Network cameras: RTSP from GStreamer's server, a stream of JPEGs over HTTP from a small server here."""

import base64
import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.command_line import asl_edge, read_refusal, start_asl_edge

from edge.cameras.network import Login, network_source
from edge.cameras.network_worker import Lag
from edge.cameras.reconnecting import ReconnectingCamera, Timeouts
from edge.errors import CameraError
from edge.printable import shorten

USER, PASSWORD = "cam", "s3cret@:/ %41"
LOGIN = Login(USER, PASSWORD)
SERVER = Path(__file__).parents[1] / "support/rtsp_server.py"
TIMEOUTS = Timeouts(open_s=20, silent_s=1.0, pause_s=0.2, longest_pause_s=0.5, fault_s=60)
FOUND_S = 60.0  # generous: a wait ends as soon as what is waited for is there
PYTHON = "/usr/bin/python3"
HAS_SERVER = Path(PYTHON).exists() and not subprocess.call(
    [PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"], stderr=subprocess.DEVNULL
)
rtsp = pytest.mark.skipif(
    not HAS_SERVER, reason="needs GStreamer's RTSP server (apt install gir1.2-gst-rtsp-server-1.0 python3-gi)"
)


@contextlib.contextmanager
def rtsp_server(*arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run the server; yield the address of its stream and its process."""
    command = [PYTHON, str(SERVER), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"rtsp://127.0.0.1:{server.stdout.readline().strip()}/live", server
        finally:
            server.kill()


def make_jpeg(number: int, size: tuple[int, int]) -> bytes:
    picture = np.full((size[1], size[0], 3), 60 + number * 7 % 150, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


@contextlib.contextmanager
def http_camera(
    pictures: Callable[[int], bytes | None], kind: str = "multipart/x-mixed-replace; boundary=frame"
) -> Iterator[str]:
    """Serve a stream of JPEGs to whoever has the login; `pictures` gives the next one, None at the end."""
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            number = 0
            with contextlib.suppress(OSError):
                while (jpeg := pictures(number)) is not None:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    number += 1
                    time.sleep(0.03)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video.cgi"
    finally:
        server.shutdown()
        server.server_close()


def wait_for(camera: ReconnectingCamera, is_there: Callable[[tuple[int, ...] | None], bool]) -> None:
    """Read the camera until a frame's shape, or None for no frame, is what is waited for."""
    end_t = time.monotonic() + FOUND_S
    for frame in camera:
        if is_there(None if frame is None else frame.image.shape):
            return
        assert time.monotonic() < end_t, camera.state()


def password_file(folder: Path, password: str = PASSWORD) -> Path:
    file = folder / "password"
    file.write_text(password + "\n")
    return file


@pytest.mark.slow
def test_camera_that_leads_to_another_server_gives_it_no_password(tmp_path: Path) -> None:
    asked: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(str(self.headers))
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    class Camera(Other):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}/live")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Other) as other, HTTPServer(("127.0.0.1", 0), Camera) as camera:
        for server in (other, camera):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        login = ["--camera-user", USER, "--camera-password-file", password_file(tmp_path)]
        refused = asl_edge("doctor", "--camera", f"http://127.0.0.1:{camera.server_port}/", *login)
        for server in (other, camera):
            server.shutdown()
    assert "has no stream of this name" in read_refusal(refused)
    assert asked
    assert "authorization" not in "".join(asked).lower()


@pytest.mark.slow
def test_stream_of_jpegs_is_read_with_user_and_password(tmp_path: Path) -> None:
    with http_camera(lambda number: make_jpeg(number, (320, 240))) as url:
        flags = ["--camera-user", USER, "--camera-password-file", password_file(tmp_path)]
        done = asl_edge("doctor", "--camera", url, "--fps", "10", *flags)
        assert done.returncode == 0, done
        assert "320x240 px" in done.stdout
        without = read_refusal(asl_edge("doctor", "--camera", url))
        assert "asks for user and password: give camera.user and camera.password_file" in without
        flags[-1] = password_file(tmp_path, "wr0ng")
        refused = read_refusal(asl_edge("doctor", "--camera", url, *flags))
        assert "refuses this user and password" in refused
        for text in (done.stdout, done.stderr, without, refused):
            assert "s3cret" not in text
            assert "wr0ng" not in text
            assert "video.cgi" not in text  # some cameras take the password in the path


def test_jpegs_of_another_size_are_not_stretched() -> None:
    with http_camera(lambda number: make_jpeg(number, (320, 240) if number < 10 else (240, 320))) as url:
        with ReconnectingCamera(network_source(url, LOGIN), timeouts=TIMEOUTS) as camera:
            wait_for(camera, lambda shape: shape == (240, 320, 3))
            wait_for(camera, lambda shape: shape == (320, 240, 3))
        assert camera.state().reopened == 0


def test_damaged_jpegs_are_left_out() -> None:
    def picture(number: int) -> bytes:
        jpeg = make_jpeg(number, (320, 240))
        return b"\xff\xd8\xff\xe0 no picture \xff\xd9" if number % 3 == 1 else jpeg

    with (
        http_camera(picture) as url,
        ReconnectingCamera(network_source(url, LOGIN), timeouts=TIMEOUTS) as camera,
    ):
        for _ in range(5):
            wait_for(camera, lambda shape: shape == (240, 320, 3))


def test_stream_that_ends_is_opened_again() -> None:
    with (
        http_camera(lambda number: make_jpeg(number, (320, 240)) if number < 10 else None) as url,
        ReconnectingCamera(network_source(url, LOGIN), timeouts=TIMEOUTS) as camera,
    ):
        wait_for(camera, lambda _: camera.state().reopened == 2)


def test_web_page_is_not_read_as_a_camera(tmp_path: Path) -> None:
    with http_camera(lambda number: b"<html></html>" if number < 3 else None, "text/html") as url:
        flags = ["--camera-user", USER, "--camera-password-file", password_file(tmp_path)]
        assert "RTSP or MJPEG stream" in read_refusal(asl_edge("doctor", "--camera", url, *flags))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://cam:s3cret@127.0.0.1/live", "holds user or password"),
        ("http://s3cret@127.0.0.1/live", "holds user or password"),
        ("rtsp://cam:s3cret/1@127.0.0.1/live", "must be rtsp://HOST"),
        ("rtsp://cam:s3 cret@127.0.0.1/live", "must be rtsp://HOST"),
        ("rstp://cam:s3 cret@127.0.0.1/live", "there is no camera 'rstp://…'"),
        ("rtsp:cam:s3cret@127.0.0.1/live", "there is no camera 'rtsp:…'"),
        ("http:/cam:s3cret@127.0.0.1/live", "there is no camera 'http:…'"),
        ("HTTP://127.0.0.1:1/s3cret", "Connection refused"),
        ("rtsp://", "must be rtsp://HOST"),
        ("rtsp://host:99999/s3cret", "must be rtsp://HOST"),
        ("rtsp://127.0.0.1:1/s3cret?password=s3cret", "Connection refused"),
    ],
)
def test_address_that_can_not_be_used_is_refused_without_its_password(url: str, words: str) -> None:
    line = read_refusal(asl_edge("doctor", "--camera", url))
    assert words in line
    assert "cret" not in line


def test_password_in_any_sentence_is_hidden() -> None:
    assert shorten("got mqtt://me:a/b:c@host:1883 there") == "got mqtt://…@host:1883 there"


def test_password_in_a_settings_file_is_not_printed(tmp_path: Path) -> None:
    settings = tmp_path / "asl-edge.toml"
    settings.write_text('[camera]\nsource = ["rtsp://cam:s3cret@host/live"]\n')
    assert "s3cret" not in read_refusal(asl_edge("run", "--config", settings))


def test_password_without_a_user_is_refused(tmp_path: Path) -> None:
    flags = ["--camera", "rtsp://127.0.0.1/live", "--camera-password-file", password_file(tmp_path)]
    assert "camera.password_file needs camera.user" in read_refusal(asl_edge("run", *flags))


def test_camera_that_falls_behind_is_noticed() -> None:
    lag = Lag()
    steady = [lag.is_too_long(t, 1000 + t) for t in np.arange(0, 20, 0.1)]
    slower = [lag.is_too_long(t, 1020 + (t - 20) * 0.7) for t in np.arange(20, 40, 0.1)]
    assert not any(steady)
    assert slower[-1]


def test_burst_after_a_pause_and_a_clock_that_is_set_are_no_lag() -> None:
    lag = Lag()
    times = [(t, t) for t in np.arange(0, 10, 0.1)]
    times += [(13 + k / 100, 10 + k / 10) for k in range(32)]  # three seconds late, and soon caught up with
    times += [(t, t - 1000) for t in np.arange(13.5, 30, 0.1)]
    assert not any(lag.is_too_long(arrival, camera) for arrival, camera in times)


@rtsp
@pytest.mark.slow
def test_rtsp_is_read_with_user_and_password(tmp_path: Path) -> None:
    with rtsp_server("--user", USER, "--password", PASSWORD) as (url, _):
        flags = ["--camera-user", USER, "--camera-password-file", password_file(tmp_path)]
        done = asl_edge("doctor", "--camera", url, "--fps", "15", *flags)
        assert done.returncode == 0, done
        assert "640x480 px" in done.stdout
        flags[-1] = password_file(tmp_path, "wr0ng")
        refused = read_refusal(asl_edge("doctor", "--camera", url, *flags))
        assert "refuses this user and password" in refused
        flags[-1] = password_file(tmp_path)
        assert "correct the path" in read_refusal(asl_edge("doctor", "--camera", url + "2", *flags))
        assert "s3cret" not in done.stdout + done.stderr


@rtsp
def test_password_is_neither_an_argument_nor_in_the_environment(tmp_path: Path) -> None:
    with rtsp_server("--user", USER, "--password", PASSWORD) as (url, _):
        flags = ["--camera-user", USER, "--camera-password-file", password_file(tmp_path)]
        program = start_asl_edge("run", "--camera", url, *flags)
        try:
            children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
            end_t = time.monotonic() + FOUND_S
            while not (workers := find_workers(program.pid)):
                assert time.monotonic() < end_t, children
                time.sleep(0.05)
            for pid in (program.pid, *workers):
                shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
                assert b"s3cret" not in shown
        finally:
            program.send_signal(signal.SIGTERM)
            _, errors = program.communicate(timeout=FOUND_S)
    assert program.returncode == 0, errors
    assert "s3cret" not in errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def find_workers(parent: int) -> list[int]:
    """Return the processes that read network cameras for this program."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if b"network_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@rtsp
@pytest.mark.slow
def test_stalled_rtsp_camera_is_blind_and_then_live_again() -> None:
    with (
        rtsp_server() as (url, server),
        ReconnectingCamera(network_source(url), timeouts=TIMEOUTS) as camera,
    ):
        wait_for(camera, lambda shape: shape == (480, 640, 3))
        server.send_signal(signal.SIGUSR1)
        wait_for(camera, lambda _: camera.state().status == "blind")
        server.send_signal(signal.SIGUSR2)
        wait_for(camera, lambda shape: shape is not None)
        assert camera.state().status == "live"


@rtsp
@pytest.mark.slow
def test_stopped_rtsp_camera_is_opened_again_with_its_new_size() -> None:
    with rtsp_server() as (url, server):
        port = url.split(":")[2].split("/")[0]
        with ReconnectingCamera(network_source(url), timeouts=TIMEOUTS) as camera:
            wait_for(camera, lambda shape: shape == (480, 640, 3))
            server.kill()
            server.wait()
            wait_for(camera, lambda _: camera.state().status == "blind")
            with rtsp_server("--port", port, "--size", "320x240"):
                wait_for(camera, lambda shape: shape == (240, 320, 3))


@rtsp
@pytest.mark.slow
def test_rtsp_stream_that_changes_its_size_is_not_stretched(caplog: pytest.LogCaptureFixture) -> None:
    with (
        rtsp_server() as (url, server),
        ReconnectingCamera(network_source(url), timeouts=TIMEOUTS) as camera,
    ):
        wait_for(camera, lambda shape: shape == (480, 640, 3))
        server.send_signal(signal.SIGHUP)
        wait_for(camera, lambda shape: shape == (240, 320, 3))
    assert "has changed the size of its pictures" in caplog.text


@rtsp
@pytest.mark.slow
def test_4k_stream_is_scaled_down() -> None:
    with (
        rtsp_server("--size", "3840x2160") as (url, _),
        ReconnectingCamera(network_source(url), timeouts=TIMEOUTS) as camera,
    ):
        wait_for(camera, lambda shape: shape == (720, 1280, 3))


def test_unknown_host_is_one_sentence() -> None:
    driver = network_source("rtsp://camera.invalid/live").driver
    with pytest.raises(CameraError, match=r"can't be opened \(Failed to resolve"):
        next(driver(threading.Event()))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_camera_that_never_answers_is_one_sentence(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/live"
        assert "gives no answer within 10 s" in read_refusal(asl_edge("doctor", "--camera", url))


def test_first_size_of_a_network_camera_is_no_surprise(caplog: pytest.LogCaptureFixture) -> None:
    with (
        http_camera(lambda number: make_jpeg(number, (400, 304))) as url,
        ReconnectingCamera(network_source(url, LOGIN), timeouts=TIMEOUTS) as camera,
    ):
        wait_for(camera, lambda shape: shape == (304, 400, 3))
    assert caplog.text == ""
