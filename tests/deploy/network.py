"""Page, MQTT and teaching on a board: switched on with their secrets, asked from beside it, and off again."""

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
    """A mosquitto beside the machine, that lets nobody in without the password."""

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
        """Without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hears(self, topic: str, limit_s: int, retained: bool) -> str:
        """The next message of a topic of the board, or "" where none came; `retained`: kept ones count."""
        more = [] if retained else ["-R"]
        command = ["mosquitto_sub", "-h", WORKSTATION, "-u", "board", "-P", PASSWORD, "-C", "1", *more]
        command += ["-W", str(limit_s), "-t", f"asl-edge/edge/{topic}"]
        done = subprocess.run([*self._beside, *command], capture_output=True, text=True, check=False)
        return done.stdout.strip()


def asked(board: Board, path: str, token: str = "", limit_s: int = 5, post: bool = False) -> tuple[int, str]:
    """What the page answers beside the machine: its status (0: nobody answers) and its text."""
    head = ["-H", f"Authorization: Bearer {token}"] if token else []
    head += ["-X", "POST"] if post else []
    command = ["curl", "-s", "-m", str(limit_s), "-w", "\n%{http_code}", *head, f"{PAGE}{path}"]
    done = subprocess.run([*board.machine.command(), *command], capture_output=True, text=True, check=False)
    text, _, status = done.stdout.rpartition("\n")
    return int(status or 0), text


def page_and_mqtt(board: Board) -> None:
    """From a closed board to one that is seen and heard, and back. Needs the release with the extras."""
    broker = Broker(board)
    broker.start()
    try:
        expect(asked(board, "/healthz")[0] == 0, "nobody answers at the page's address")
        board.play("site", variables=ON)
        _page(board)
        _mqtt(board, broker)
        _secrets(board)
        _teaching(board)
        _reload(board)
        expect(changed(board.play("site", variables=ON)) == 0, "a second run with both: changed=0")
    finally:
        broker.end()
    off = {"asl_edge_wheelhouse": str(WITH_EXTRAS)}
    expect(changed(board.play("site", variables=off)) > 0, "switched off again")
    expect(asked(board, "/healthz")[0] == 0, "nobody answers at the page's address any more")
    links = board.ask(f"nsenter -t {board.pid()} -n ip -o link")
    expect("lo" in links and "host0" not in links, "the service has no network but its own loopback")
    expect(board.ask(f"ls {SECRETS} 2>/dev/null") == "", "token and password are gone from the board")
    expect(changed(board.play("site", variables=off)) == 0, "a second run without them: changed=0")


def _page(board: Board) -> None:
    until(lambda: asked(board, "/healthz")[0] == 200, 30)
    health = json.loads(asked(board, "/healthz")[1])
    expect(health["alive"] and "letter" not in json.dumps(health), f"/healthz: {health['camera']}, no letter")
    for path in ("/metrics", "/events", "/picture"):
        refused = [asked(board, path)[0], asked(board, path, "not the token")[0]]
        expect(refused == [401, 401], f"{path} without the token, or with another: 401")
    status, metrics = asked(board, "/metrics", TOKEN)
    expect(status == 200 and "asl_edge" in metrics, "/metrics with the token: 200")
    expect('"text"' in asked(board, "/events", TOKEN, 3)[1], "/events with the token: the text so far")


def _mqtt(board: Board, broker: Broker) -> None:
    expect(broker.hears("availability", 30, retained=True) == "online", "the board is online at the broker")
    letter = json.loads(broker.hears("letter", 60, retained=False) or "{}")
    expect("letter" in letter, f"a letter came as an MQTT message: {letter}")
    broker.end()
    before, pid = board.letters(), board.pid()
    until(lambda: board.letters() > before + 1, 60)
    broker.start()
    back_s = until(lambda: broker.hears("availability", 1, retained=True) == "online", 60)
    expect(broker.hears("letter", 60, retained=False) and board.pid() == pid, "letters come again")
    fault("the MQTT broker killed, started again later", "letters go on; the board is online again", back_s)


def _secrets(board: Board) -> None:
    modes = board.ask(f"stat -c '%U %a' {SECRETS}").splitlines()
    expect(modes == ["root 600"] * 2, "token and password can be read by root alone")
    shown = board.ask(
        f"cat /etc/asl-edge/asl-edge.toml /etc/asl-edge/asl-edge.env /proc/{board.pid()}/cmdline "
        f"/proc/{board.pid()}/environ | tr '\\0' '\\n'; journalctl -u asl-edge -o cat; "
        "systemctl status --full asl-edge"
    )
    expect(
        "[mqtt]" in shown and TOKEN not in shown and PASSWORD not in shown,
        "... and stand in no setting, argument, environment variable or journal",
    )


def _teaching(board: Board) -> None:
    """On the page: a letter is recorded and learned from; what is kept is the service's own."""
    lesson = lambda: json.loads(asked(board, "/events", TOKEN, 1)[1].split("data: ")[1])["teaching"]  # noqa: E731
    for what in ("H", "learn"):
        expect(asked(board, f"/teach/{what}", TOKEN, post=True)[0] == 204, f"POST /teach/{what}: 204")
        until(lambda: lesson()["kept"] and not lesson()["recording"] and not lesson()["busy"], 30)
    expect("%" in lesson()["says"], f"taught on the page: {lesson()['says']}")
    folder = "/var/lib/asl-edge-taught"
    owner = board.ask(f"stat -c '%U %a' {folder}")
    expect(owner == "asl-edge 700", f"{folder} belongs to the service and to nobody else")
    inside = f"nsenter -t {board.pid()} -m runuser -u asl-edge -- touch"
    wrote = board.ask(
        f"{inside} {folder}/here /var/lib/asl-edge/there 2>&1; find {folder}/here -delete -print"
    )
    expect("Read-only" in wrote and f"{folder}/here" in wrote, "... and is the one place where it may write")


def _reload(board: Board) -> None:
    """SIGHUP while the page is open and a broker is there."""
    pid = board.pid()
    board.ask("sed -i 's/^fps = .*/fps = 6/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
    back_s = until(lambda: "settings were reloaded" in board.ask("journalctl -u asl-edge -o cat -n 20"), 30)
    back_s += until(lambda: asked(board, "/metrics", TOKEN)[0] == 200 and board.reads(), 30)
    expect(board.pid() == pid, f"systemctl reload: the same process, page and letters {back_s:.1f} s later")
    board.ask("sed -i 's/^fps = .*/fps = \"many\"/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
    until(lambda: "settings are not used" in board.ask("journalctl -u asl-edge -o cat -n 20"), 30)
    kept = board.pid() == pid and board.reads() and asked(board, "/metrics", TOKEN)[0] == 200
    expect(kept, "systemctl reload with a wrong file: the old settings stay, and the journal says why")
    fault("systemctl reload with a wrong setting, page open", "the old settings stay, the page answers")
    board.ask("sed -i 's/^fps = .*/fps = 5/' /etc/asl-edge/asl-edge.toml; systemctl reload asl-edge")
