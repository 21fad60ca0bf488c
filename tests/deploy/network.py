"""Test page, MQTT and teaching on a board: enable them with their secrets, use them, and disable them."""

import json
import subprocess

from board import VARIABLES, Board, changed, expect, fault, until
from machine import ADDRESS, BUILD, WORKSTATION

TOKEN, PASSWORD = "0123456789abcdef-page", "a password at the broker"
PAGE = f"http://{ADDRESS}:8080"
SECRETS = "/etc/asl-edge/page_token /etc/asl-edge/mqtt_password"
WITH_EXTRAS = BUILD.parent / "wheelhouse/debian_x86-extras"
ON = {
    "asl_edge_wheelhouse": str(WITH_EXTRAS),
    "asl_edge_dropins": ["network.conf", "teach.conf"],
    "asl_edge_page_token": TOKEN,
    "asl_edge_mqtt_password": PASSWORD,
    "asl_edge_settings": {
        **VARIABLES["asl_edge_settings"],
        "page": {"listen": "0.0.0.0:8080", "metrics": True},
        "mqtt": {"url": f"mqtt://{WORKSTATION}", "user": "board"},
    },
}


class Broker:
    """A mosquitto in the network of the machine that requires a user and a password."""

    def __init__(self, board: Board) -> None:
        self._beside, self._folder = board.machine.command(), BUILD / "broker"
        self._folder.mkdir(exist_ok=True)
        passwords = self._folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "board", PASSWORD], check=True)
        lines = (f"listener 1883 {WORKSTATION}", "user root", f"password_file {passwords}")
        (self._folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        command = [*self._beside, "/usr/sbin/mosquitto", "-c", self._folder / "mosquitto.conf"]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def end(self) -> None:
        """Kill the broker without closing its connections."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hears(self, topic: str, limit_s: int, retained: bool) -> str:
        """Return the next message of the board on a topic, or "" after the limit.

        Retained messages count only if `retained`.
        """
        more = [] if retained else ["-R"]
        command = ["mosquitto_sub", "-h", WORKSTATION, "-u", "board", "-P", PASSWORD, "-C", "1", *more]
        command += ["-W", str(limit_s), "-t", f"asl-edge/edge/{topic}"]
        done = subprocess.run([*self._beside, *command], capture_output=True, text=True, check=False)
        return done.stdout.strip()


def asked(board: Board, path: str, token: str = "", limit_s: int = 5, post: bool = False) -> tuple[int, str]:
    """Send a request to the page from outside the machine; return status (0: no response) and body."""
    head = ["-H", f"Authorization: Bearer {token}"] if token else []
    head += ["-X", "POST"] if post else []
    command = ["curl", "-s", "-m", str(limit_s), "-w", "\n%{http_code}", *head, f"{PAGE}{path}"]
    done = subprocess.run([*board.machine.command(), *command], capture_output=True, text=True, check=False)
    text, _, status = done.stdout.rpartition("\n")
    return int(status or 0), text


def page_and_mqtt(board: Board) -> None:
    """Enable page, MQTT and teaching, test them, and disable them again.

    The board must run the release with the extras.
    """
    broker = Broker(board)
    broker.start()
    try:
        expect(asked(board, "/healthz")[0] == 0, "nothing responds at the page's address")
        board.play("site", variables=ON)
        _page(board)
        _mqtt(board, broker)
        _secrets(board)
        _teaching(board)
        _reload(board)
        expect(changed(board.play("site", variables=ON)) == 0, "a second run with page and MQTT: changed=0")
    finally:
        broker.end()
    off = {"asl_edge_wheelhouse": str(WITH_EXTRAS)}
    expect(changed(board.play("site", variables=off)) > 0, "page and MQTT are disabled again")
    expect(asked(board, "/healthz")[0] == 0, "nothing responds at the page's address any more")
    links = board.ask(f"nsenter -t {board.pid()} -n ip -o link")
    expect("lo" in links and "host0" not in links, "the service has only its own loopback interface")
    expect(board.ask(f"ls {SECRETS} 2>/dev/null") == "", "token and password are gone from the board")
    expect(changed(board.play("site", variables=off)) == 0, "a second run without page and MQTT: changed=0")


def _page(board: Board) -> None:
    until(lambda: asked(board, "/healthz")[0] == 200, 30)
    health = json.loads(asked(board, "/healthz")[1])
    expect(health["alive"] and "letter" not in json.dumps(health), f"/healthz: {health['camera']}, no letter")
    for path in ("/metrics", "/events", "/picture"):
        statuses = [asked(board, path)[0], asked(board, path, "not the token")[0]]
        expect(statuses == [401, 401], f"{path} without the token, or with another: 401")
    status, metrics = asked(board, "/metrics", TOKEN)
    expect(status == 200 and "asl_edge" in metrics, "/metrics with the token: 200")
    expect('"text"' in asked(board, "/events", TOKEN, 3)[1], "/events with the token: the text so far")


def _mqtt(board: Board, broker: Broker) -> None:
    expect(
        broker.hears("availability", 30, retained=True) == "online", "the broker reports the board as online"
    )
    letter = json.loads(broker.hears("letter", 60, retained=False) or "{}")
    expect("letter" in letter, f"a letter arrived by MQTT: {letter}")
    broker.end()
    before, pid = board.letters(), board.pid()
    until(lambda: board.letters() > before + 1, 60)
    broker.start()
    back_s = until(lambda: broker.hears("availability", 1, retained=True) == "online", 60)
    expect(broker.hears("letter", 60, retained=False) and board.pid() == pid, "letters arrive again")
    fault(
        "the MQTT broker is killed, and restarted two letters later",
        "letters continue; the board is online again by itself",
        back_s,
    )


def _secrets(board: Board) -> None:
    modes = board.ask(f"stat -c '%U %a' {SECRETS}").splitlines()
    expect(modes == ["root 600"] * 2, "only root can read token and password")
    shown = board.ask(
        f"cat /etc/asl-edge/asl-edge.toml /etc/asl-edge/asl-edge.env /proc/{board.pid()}/cmdline "
        f"/proc/{board.pid()}/environ | tr '\\0' '\\n'; journalctl -u asl-edge -o cat; "
        "systemctl status --full asl-edge"
    )
    expect(
        "[mqtt]" in shown and TOKEN not in shown and PASSWORD not in shown,
        "no setting, argument, environment variable or journal contains them",
    )


def _teaching(board: Board) -> None:
    """Record and learn a letter on the page; check that only the service can access what it learned."""
    lesson = lambda: json.loads(asked(board, "/events", TOKEN, 1)[1].split("data: ")[1])["teaching"]  # noqa: E731
    for action in ("H", "learn"):
        expect(asked(board, f"/teach/{action}", TOKEN, post=True)[0] == 204, f"POST /teach/{action}: 204")
        until(lambda: lesson()["kept"] and not lesson()["recording"] and not lesson()["busy"], 30)
    expect("%" in lesson()["says"], f"taught on the page: {lesson()['says']}")
    folder = "/var/lib/asl-edge-taught"
    owner = board.ask(f"stat -c '%U %a' {folder}")
    expect(owner == "asl-edge 700", f"only the service can access {folder}")
    touch = f"nsenter -t {board.pid()} -m runuser -u asl-edge -- touch"
    output = board.ask(
        f"{touch} {folder}/here /var/lib/asl-edge/there 2>&1; find {folder}/here -delete -print"
    )
    expect("Read-only" in output and f"{folder}/here" in output, "the service can write nowhere else")


def _reload(board: Board) -> None:
    """Reload the settings while page and MQTT are in use."""
    pid = board.pid()
    board.ask("sed -i 's/^fps = .*/fps = 6/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
    back_s = until(lambda: "settings were reloaded" in board.ask("journalctl -u asl-edge -o cat -n 20"), 30)
    back_s += until(lambda: asked(board, "/metrics", TOKEN)[0] == 200 and board.reads(), 30)
    expect(
        board.pid() == pid, f"systemctl reload: the same process serves page and letters after {back_s:.1f} s"
    )
    board.ask("sed -i 's/^fps = .*/fps = \"many\"/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
    until(lambda: "settings are not used" in board.ask("journalctl -u asl-edge -o cat -n 20"), 30)
    kept = board.pid() == pid and board.reads() and asked(board, "/metrics", TOKEN)[0] == 200
    expect(kept, "systemctl reload with an invalid file keeps the old settings and logs the reason")
    fault(
        "`systemctl reload` with an invalid setting, page and MQTT open",
        "the old settings stay in effect, the page responds, the journal gives the reason",
    )
    board.ask("sed -i 's/^fps = .*/fps = 5/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
