"""`make test-deploy`: the playbooks and the unit on a booted Debian, from nothing to uninstalled, and what may go wrong.

Every line that it prints was seen on the machine. It ends with the table of faults (docs/faults.md) and exit code 0,
or at the first thing that is not as it should be.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import models
from machine import ADDRESS, BUILD, SSH_OPTIONS, Machine

ANSIBLE = BUILD.parents[1] / "ansible"
MODELS = BUILD / "models"
BACK_S = 10  # what a fault may cost after its end
WATCHDOG_S = 15  # WatchdogSec= of the unit: a frozen process is found no sooner
LETTERS = "/run/asl-edge/letters.jsonl"
VARIABLES = {
    "ansible_host": ADDRESS,
    "ansible_user": "pi",
    "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
    "asl_edge_camera": "synthetic:HELLO",
    # few frames and one thread: the machine shares its processor with whoever tests
    "asl_edge_settings": {"output": LETTERS, "fps": 10, "threads": 1},
    "asl_edge_watch_s": 10,
    "asl_edge_limit_ms": 250,
}
STARTED = time.monotonic()
FAULTS: list[tuple[str, str, float | None]] = []


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.0f} s  {text}", flush=True)


def expect(right: object, what: str, why: str = "") -> None:
    """The proof ends at the first thing that is wrong."""
    if not right:
        sys.exit(f"NOT AS IT SHOULD BE: {what}\n{why}")
    say(what)


def fault(name: str, happened: str, back_s: float | None = None, limit_s: float = BACK_S) -> None:
    """A row of the table. `back_s`: from the fault's end to frames being read; None: it never stopped."""
    FAULTS.append((name, happened, back_s))
    expect(back_s is None or back_s <= limit_s, f"{name}: {happened}" + (f", {back_s:.1f} s" if back_s else ""))


class Board:
    """The machine as a board: what is played on it and what is asked of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.inventory = BUILD / "inventory.json"
        hosts = {"debian_x86": {"hosts": {"edge": VARIABLES}}}
        self.inventory.write_text(json.dumps({"asl_edge": {"children": hosts}}))

    def playing(self, name: str, *more: str) -> subprocess.Popen[str]:
        """A playbook, begun."""
        command = ["ansible-playbook", "-i", str(self.inventory), f"{name}.yml", *more]
        environment = os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            [*self.machine.command(), *command],
            cwd=ANSIBLE,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def play(self, name: str, *more: str, good: bool = True) -> str:
        """A playbook, to its end; what it printed. `good`: how it must end."""
        began = time.monotonic()
        playing = self.playing(name, *more)
        printed = playing.communicate()[0]
        with (BUILD / "played.log").open("a") as log:
            log.write(printed)
        ended = f"{name}.yml {' '.join(more)}: exit code {playing.returncode}, {time.monotonic() - began:.0f} s"
        expect((playing.returncode == 0) == good, ended, printed)
        return printed

    def ask(self, script: str) -> str:
        """What a script as root says."""
        return self.machine.run(script).stdout.strip()

    def model(self) -> str:
        """The name of the package that the link points to."""
        return self.ask("basename $(readlink /var/lib/asl-edge/model)")

    def reads(self) -> bool:
        """The service is READY, and a letter or a frame came since it started."""
        state = self.ask("systemctl show -p ActiveState -p StatusText asl-edge")
        return "ActiveState=active" in state and re.search(r"StatusText=(?!0\.0)[\d.]+ frames", state) is not None

    def letters(self) -> int:
        """How many lines of letters there are."""
        return int(self.ask(f"cat {LETTERS}* 2>/dev/null | wc -l") or 0)

    def until_reads(self, limit_s: float = 60) -> float:
        """Seconds until it reads frames again."""
        return until(self.reads, limit_s)

    def pid(self) -> str:
        """The service's process."""
        return self.ask("systemctl show -p MainPID --value asl-edge")


def until(true: Callable[[], bool], limit_s: float) -> float:
    """Seconds until it is so; the proof ends where it does not come."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > limit_s:
            sys.exit(f"NOT AS IT SHOULD BE: waited {limit_s} s in vain for {true.__qualname__}")
        time.sleep(0.2)
    return time.monotonic() - began


def changed(printed: str) -> int:
    """What ansible's recap says."""
    return int(re.findall(r"changed=(\d+)", printed)[-1])


def install(board: Board) -> None:
    """From a fresh system to letters; again; and what --check says of both."""
    would = board.play("site", "--check", "--diff")
    expect(changed(would) > 5, f"--check of a fresh board: {changed(would)} changes told")
    expect(board.ask("ls -d /opt/asl-edge /etc/asl-edge 2>/dev/null") == "", "--check changed nothing")
    wrong = board.play("site", "-e", "asl_edge_architecture=aarch64", good=False)
    expect("Move it to the group that fits" in wrong, "another board's group is refused by name")
    expect(board.ask("ls -d /opt/asl-edge 2>/dev/null") == "", "... before anything was changed")
    wrong = board.play("site", "-e", "asl_edge_camera=usb:7", good=False)
    expect("/dev/video7" in wrong, "a camera that is not there is named before anything is changed")
    first = board.play("site")
    expect('"letter": "L"' in first and " frames/s" in first, "site.yml verified: READY, a letter, the camera's state")
    before = board.letters()
    until(lambda: board.letters() > before, 60)
    say(f"the unit reads the synthetic camera: {board.ask(f'tail -1 {LETTERS}')}")
    expect(changed(board.play("site")) == 0, "a second run: changed=0")
    expect(changed(board.play("site", "--check", "--diff")) == 0, "--check after it: changed=0")


def update(board: Board, long: bool) -> None:
    """One good model, three that no board may keep, and back."""
    first = board.model()
    board.play("update", "-e", f"asl_edge_model={models.good(MODELS / 'good')}")
    second = board.model()
    expect(second != first and board.reads(), "the good model runs")
    for make, says in ((models.corrupt, "sha256 differs"), (models.slow, "were wanted"), (models.wrong, "golden input")):
        pid = board.pid()
        printed = board.play("update", "-e", f"asl_edge_model={make(MODELS / make.__name__)}", good=False)
        kept = board.model() == second and board.pid() == pid and board.ask("ls /var/lib/asl-edge/models") != ""
        expect(says in printed and kept, f"{make.__name__} model: said why, never switched", printed)
        fault(f"update.yml with a {make.__name__} model", "refused on the board, the service was not touched")
    if long:
        died_while_watched(board)
        connection_lost(board)
    board.play("rollback")
    expect(board.model() == first and board.reads(), "rollback.yml: the first model runs again")


def died_while_watched(board: Board) -> None:
    """A model that passes every trial and then does not hold."""
    before = board.model()
    playing = board.playing("update", "-e", f"asl_edge_model={models.good(MODELS / 'dies', 'dies')}")
    until(lambda: board.model() != before, 120)
    until(board.reads, 60)
    board.ask(f"kill -9 {board.pid()}")
    printed = playing.communicate()[0]
    expect(playing.returncode != 0 and "gone back to" in printed, "it went back and said why", printed)
    expect(board.model() == before, "the model before is in place")
    fault("a new model's process dies while it is watched", "update.yml goes back by itself", board.until_reads())


def connection_lost(board: Board) -> None:
    """The workstation is gone while the new model is watched, and the new model does not hold."""
    before = board.model()
    playing = board.playing("update", "-e", f"asl_edge_model={models.good(MODELS / 'lost', 'lost')}")
    until(lambda: board.model() != before, 120)
    until(board.reads, 60)
    playing.kill()
    playing.communicate()
    board.ask("pkill -9 -u pi sshd")
    board.ask(f"kill -9 {board.pid()}")
    until(lambda: board.model() == before, 60)
    fault("the workstation vanishes while such a model is watched", "the board goes back alone", board.until_reads())


def killed_at_every_step(board: Board) -> None:
    """The switch, ended before its first command, its second, ...: old or new, always whole."""
    names = board.ask("cd /var/lib/asl-edge/models && ls -d *[0-9a-f] | grep -v came").split()
    expect(len(names) == 2, f"two models are on the board: {[name[:8] for name in names]}")
    seen = {"old": 0, "new": 0}
    step = 0
    while True:
        step += 1
        old = board.model()
        new = next(name for name in names if name != old)
        trap = f'n=$((n+1)); [ $n -lt {step} ] || kill -9 $$'
        done = board.machine.run(
            f"bash -c 'set -T; n=0; trap \"${{TRAP}}\" DEBUG; . /opt/asl-edge/libexec/switch' switch "
            f"/var/lib/asl-edge/model models {new} 60 0".replace("${TRAP}", trap.replace("$", "\\$"))
        )
        now = board.model()
        whole = board.ask(f"cd /var/lib/asl-edge/model && cat * | sha256sum")
        if now not in names or not whole:
            sys.exit(f"NOT AS IT SHOULD BE: killed before command {step}, the link is {now}")
        seen["old" if now == old else "new"] += 1
        if done.returncode == 0:
            break
    board.ask("systemctl start asl-edge")
    for name in names:
        checked = board.machine.run(f"/opt/asl-edge/current/bin/asl-edge check /var/lib/asl-edge/models/{name}")
        expect(checked.returncode == 0, f"{name[:8]} is whole", checked.stderr)
    fault(
        f"the switch killed before each of its {step - 1} commands",
        f"{seen['old']} times the old model, {seen['new']} times the new, always whole",
        board.until_reads(),
    )


def cut_while_updating(board: Board) -> None:
    """The machine gone at moments of update.yml, booted again."""
    names = {board.model()}
    for number, after_s in enumerate((4, 8, 12, 16)):
        folder = models.good(MODELS / f"cut{number}", f"cut{number}")
        playing = board.playing("update", "-e", f"asl_edge_model={folder}")
        time.sleep(after_s)
        board.machine.cut()
        playing.kill()
        playing.communicate()
        board.machine.start()
        back_s = board.until_reads()
        names.add(board.model())
        checked = board.machine.run("/opt/asl-edge/current/bin/asl-edge check /var/lib/asl-edge/model/")
        expect(checked.returncode == 0, f"cut after {after_s} s: {board.model()[:8]} is whole", checked.stderr)
        fault(f"the machine cut off {after_s} s into update.yml", f"boots into {board.model()[:8]}", back_s)
    board.play("update", "-e", f"asl_edge_model={MODELS / 'cut3'}")


def kills(board: Board, restarts: int) -> None:
    """What ends or freezes the process, and a machine that goes off."""
    board.ask(f"kill -9 {board.pid()}")
    fault("kill -9", "systemd starts it afresh", until_new(board))
    pid, began = board.pid(), time.monotonic()
    board.ask(f"kill -STOP {pid}")
    until(lambda: board.pid() not in (pid, "0"), WATCHDOG_S + 30)
    found_s = time.monotonic() - began
    fault(
        "kill -STOP (the process freezes)",
        f"the watchdog finds it and it runs anew after {found_s:.0f} s (WatchdogSec={WATCHDOG_S})",
        board.until_reads(),
    )
    expect(found_s < WATCHDOG_S + BACK_S, f"... {found_s:.1f} s from the freeze to a new process")
    began = time.monotonic()
    script = f"for n in $(seq {restarts}); do systemctl restart asl-edge || echo FAILED; done; systemctl is-active asl-edge"
    answer = board.machine.run(script, timeout_s=600).stdout.split()
    each_s = (time.monotonic() - began) / restarts
    expect(answer == ["active"], f"{restarts} restarts, each to READY: {each_s:.1f} s each", " ".join(answer))
    fault(f"{restarts} restarts in a row", f"each READY, {each_s:.1f} s each", board.until_reads())
    board.machine.cut()
    booted_s = board.machine.start()
    fault("the machine cut off and booted again", f"boots in {booted_s:.0f} s, reads by itself", board.until_reads())


def until_new(board: Board) -> float:
    """Seconds until a new process reads frames."""
    began = time.monotonic()
    board.until_reads()
    return time.monotonic() - began


def full_disk(board: Board) -> None:
    """Not a byte is left: reading, restarting and refusing an update must go on."""
    board.ask("head -c 5G /dev/zero > /var/full; sync")
    expect(board.ask("df --output=avail / | tail -1").strip() == "0", "the disk is full")
    before = board.letters()
    until(lambda: board.letters() > before, 60)
    fault("a full disk", "letters come as before")
    board.ask("systemctl restart asl-edge")
    fault("a restart on a full disk", "READY", board.until_reads())
    model = board.model()
    board.play("update", "-e", f"asl_edge_model={models.good(MODELS / 'full', 'full')}", good=False)
    expect(board.model() == model and board.reads(), "update.yml on a full disk: fails, the model is the one before")
    board.ask("rm /var/full")
    board.play("update", "-e", f"asl_edge_model={MODELS / 'full'}")
    fault("update.yml on a full disk", "fails at the copy, the model before stays; after space was made it succeeds")


def bad_settings(board: Board) -> None:
    """Settings that the application refuses never reach the board."""
    before = board.ask("sha256sum /etc/asl-edge/asl-edge.toml")
    printed = board.play("site", "-e", '{"asl_edge_settings": {"hold_s": "long"}}', good=False)
    same = board.ask("sha256sum /etc/asl-edge/asl-edge.toml") == before and board.reads()
    expect(same and "a number was wanted" in printed, "a wrong setting is refused", printed)
    fault("site.yml with a wrong setting", "refused before the file is replaced, the service reads on")


def uninstall(board: Board) -> None:
    """Nothing stays."""
    board.play("uninstall")
    left = board.ask("find / -xdev -iname '*asl[-_]edge*' -not -path '/proc/*' -not -path '/var/log/*'; getent passwd asl-edge")
    expect(left == "", "uninstall.yml left nothing", left)
    expect(changed(board.play("uninstall")) == 0, "uninstall.yml again: changed=0")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true", help="what CI runs: a few minutes")
    short = arguments.parse_args().short
    machine = Machine("aslprove")
    try:
        say(f"booted in {machine.start():.1f} s: {machine.run('. /etc/os-release; echo $PRETTY_NAME').stdout.strip()}")
        board = Board(machine)
        install(board)
        update(board, long=not short)
        kills(board, restarts=5 if short else 100)
        if not short:
            killed_at_every_step(board)
            bad_settings(board)
            full_disk(board)
            cut_while_updating(board)
        uninstall(board)
    finally:
        machine.remove()
    print("\n| fault | what happened | back after |\n| --- | --- | --- |")
    for name, happened, back_s in FAULTS:
        print(f"| {name} | {happened} | {'was never away' if back_s is None else f'{back_s:.1f} s'} |")
    say("everything is as it should be")


if __name__ == "__main__":
    main()
