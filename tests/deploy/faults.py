"""What may go wrong on a board, done to it; each ends in a row of the table."""

import json
import shutil
import sys
import time

import models
import network
import own_python
from board import BACK_S, VARIABLES, WATCHDOG_S, Board, expect, fault, until
from machine import BUILD
from network import WITH_EXTRAS

MODELS = BUILD / "models"
LONG_WATCH = ("-e", "asl_edge_watch_s=40")  # so that a busy machine has time to do the harm


def died_while_watched(board: Board) -> None:
    """A model that passes every trial and then does not hold."""
    before, pid = board.model(), board.pid()
    playing = board.playing(
        "update", "-e", f"asl_edge_model={models.good(MODELS / 'dies', 'dies')}", *LONG_WATCH
    )
    _until_watched(board, before, pid)
    board.ask(f"kill -9 {board.pid()}")
    printed = playing.communicate()[0]
    expect(playing.returncode != 0 and "switched back to" in printed, "it went back and said why", printed)
    expect(board.model() == before, "the model before is in place")
    fault(
        "a new model's process dies while it is watched",
        "update.yml goes back by itself",
        board.until_reads(),
    )


def _until_watched(board: Board, before: str, pid: str) -> None:
    """The new model's process reads: not the old one's, which does so for a moment after the switch."""
    until(lambda: board.model() != before, 120)
    until(lambda: board.pid() not in (pid, "0") and board.reads(), 60)


def connection_lost(board: Board) -> None:
    """The workstation is gone while the new model is watched, and the new model does not hold."""
    before, pid = board.model(), board.pid()
    playing = board.playing(
        "update", "-e", f"asl_edge_model={models.good(MODELS / 'lost', 'lost')}", *LONG_WATCH
    )
    _until_watched(board, before, pid)
    playing.kill()
    playing.wait()  # not communicate(): what it started holds the pipe until the watch has ended
    board.ask("pkill -9 -u pi sshd")
    board.ask(f"kill -9 {board.pid()}")
    until(lambda: board.model() == before, 90)
    fault(
        "the workstation vanishes while such a model is watched",
        "the board goes back alone",
        board.until_reads(),
    )


def killed_at_every_step(board: Board) -> None:
    """The switch, ended before its first command, its second, ...: old or new, always whole."""
    there = board.ask("cd /var/lib/asl-edge/models && ls -d *[0-9a-f] | grep -v came").split()
    names = [board.model(), next(name for name in there if name != board.model())]
    seen = {"old": 0, "new": 0}
    step = 0
    while True:
        step += 1
        old = board.model()
        new = next(name for name in names if name != old)
        trap = f"n=$((n+1)); [ $n -lt {step} ] || kill -9 $$"
        done = board.machine.run(
            f"bash -c 'set -T; n=0; trap \"${{TRAP}}\" DEBUG; . /opt/asl-edge/libexec/switch' switch "
            f"/var/lib/asl-edge/model models {new} 60 0".replace("${TRAP}", trap.replace("$", "\\$"))
        )
        now = board.model()
        whole = board.ask("cd /var/lib/asl-edge/model && cat * | sha256sum")
        if now not in names or not whole:
            sys.exit(f"NOT AS IT SHOULD BE: killed before command {step}, the link is {now}")
        seen["old" if now == old else "new"] += 1
        if done.returncode == 0:
            break
    board.ask("systemctl start asl-edge")
    for name in names:
        checked = board.machine.run(
            f"/opt/asl-edge/current/bin/asl-edge check /var/lib/asl-edge/models/{name}"
        )
        expect(checked.returncode == 0, f"{name[:8]} is whole", checked.stderr)
    fault(
        f"the switch killed before each of its {step - 1} commands",
        f"{seen['old']} times the old model, {seen['new']} times the new, always whole",
        board.until_reads(),
    )


def cut_while_updating(board: Board) -> None:
    """The machine gone at moments of update.yml, booted again."""
    names = {board.model()}
    for number, after_s in enumerate((6, 12, 18, 24)):
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
        expect(
            checked.returncode == 0, f"cut after {after_s} s: {board.model()[:8]} is whole", checked.stderr
        )
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
    script = (
        f"for n in $(seq {restarts}); do systemctl restart asl-edge || echo FAILED; done; "
        "systemctl is-active asl-edge"
    )
    answer = board.machine.run(script, timeout_s=600).stdout.split()
    each_s = (time.monotonic() - began) / restarts
    expect(answer == ["active"], f"{restarts} restarts, each to READY: {each_s:.1f} s each", " ".join(answer))
    fault(f"{restarts} restarts in a row", f"each READY, {each_s:.1f} s each", board.until_reads())
    board.machine.cut()
    booted_s = board.machine.start()
    fault(
        "the machine cut off and booted again",
        f"boots in {booted_s:.0f} s, reads by itself",
        board.until_reads(),
    )


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
    expect(
        board.model() == model and board.reads(),
        "update.yml on a full disk: fails, the model is the one before",
    )
    fault("update.yml on a full disk", "refused before anything is copied, the model before runs on")
    board.ask("truncate -s -8M /var/full")  # room for ansible's own files, and not for a model
    printed = board.play("update", "-e", f"asl_edge_model={MODELS / 'full'}", good=False)
    left = board.ask("ls -d /var/lib/asl-edge/models/incoming 2>/dev/null")
    expect(
        board.model() == model and board.reads() and left == "" and "keeps its model" in printed,
        "... and with 8 MB left it says so and leaves no half of a copy",
        printed,
    )
    board.ask("rm /var/full")
    board.play("update", "-e", f"asl_edge_model={MODELS / 'full'}")
    fault(
        "update.yml where the disk becomes full while the model is copied",
        "the half is removed, the model before runs on; with space made it succeeds",
    )


def bad_settings(board: Board) -> None:
    """Settings that the application refuses never reach the board."""
    before = board.ask("sha256sum /etc/asl-edge/asl-edge.toml")
    wrong = '{"asl_edge_settings": {"letters": {"hold_s": "long"}}}'
    printed = board.play("site", "-e", wrong, good=False)
    same = board.ask("sha256sum /etc/asl-edge/asl-edge.toml") == before and board.reads()
    expect(same and "must be a number" in printed, "a wrong setting is refused", printed)
    fault("site.yml with a wrong setting", "refused before the file is replaced, the service reads on")


def new_application(board: Board) -> None:
    """Another release, with the extras and a Python of its own; one that is not whole; and back."""
    first = board.ask("readlink /opt/asl-edge/current")
    # other wheels: another sum, and so another release
    own_python.put_into(WITH_EXTRAS, board.machine.base)
    board.play("site", variables={"asl_edge_wheelhouse": str(WITH_EXTRAS)} | own_python.VARIABLES)
    second = board.ask("readlink /opt/asl-edge/current")
    expect(second != first and board.reads(), f"{second} runs beside {first}")
    runs_on = board.ask("/opt/asl-edge/current/bin/python -c 'import sys; print(sys.base_prefix)'")
    expect(runs_on == own_python.PLACE, f"... on a Python of its own, in {runs_on}")
    network.page_and_mqtt(board)
    other = shutil.copytree(WITH_EXTRAS, BUILD / "other-wheels", dirs_exist_ok=True)
    next(other.glob("numpy-*")).unlink()
    lines = (other / "wheels.sha256").read_text().splitlines()
    (other / "wheels.sha256").write_text("\n".join(line for line in lines if "numpy" not in line) + "\n")
    told = " ".join(board.play("site", "-e", f"asl_edge_wheelhouse={other}", good=False).split())
    kept = board.ask("readlink /opt/asl-edge/current") == second
    expect(kept and "No module named 'numpy'" in told, "a release without numpy is not switched to", told)
    shutil.rmtree(other)
    fault(
        "an application that can't start", "found while it is built, never switched to", board.until_reads()
    )
    board.play("rollback", "-e", "asl_edge_rollback=application")
    back = board.ask("readlink /opt/asl-edge/current")
    expect(back == first and board.reads(), f"rollback.yml: {first} runs again")
    board.play("site")
    left = board.ask("cd /opt/asl-edge && ls -d releases/*[0-9a-f] | grep -v came").split()
    expect(
        set(left) == {first, second}, "site.yml keeps the application before, and no other", " ".join(left)
    )


def canary(board: Board) -> None:
    """Two names of boards: what the first refuses, the second is never asked."""
    one = board.inventory.read_text()
    hosts = {"debian_x86": {"hosts": {"canary": VARIABLES, "second": VARIABLES}}}
    board.inventory.write_text(json.dumps({"asl_edge": {"children": hosts}}))
    printed = board.play("update", "-e", f"asl_edge_model={models.corrupt(MODELS / 'corrupt')}", good=False)
    board.inventory.write_text(one)
    expect("[canary]" in printed and "[second]" not in printed, "update.yml of a fleet ends at its canary")
    fault("update.yml of two boards with a corrupt model", "the first refuses it, the second is not touched")
