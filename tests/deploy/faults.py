"""Cause the faults that can occur on a board; each adds a row to the table in docs/faults.md."""

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
LONG_WATCH = ("-e", "asl_edge_watch_s=40")  # gives a busy machine time to cause the fault


def died_while_watched(board: Board) -> None:
    """Kill the process of a new model after the model has passed every check."""
    before, pid = board.model(), board.pid()
    playing = board.playing(
        "update", "-e", f"asl_edge_model={models.good(MODELS / 'dies', 'dies')}", *LONG_WATCH
    )
    _until_watched(board, before, pid)
    board.ask(f"kill -9 {board.pid()}")
    output = playing.communicate()[0]
    expect(
        playing.returncode != 0 and "switched back to" in output,
        "update.yml rolled back and gave the reason",
        output,
    )
    expect(board.model() == before, "the old model is active")
    fault(
        "a new model's process dies while it is watched",
        "`update.yml` rolls back by itself and gives the reason",
        board.until_reads(),
    )


def _until_watched(board: Board, before: str, pid: str) -> None:
    """Wait until the process of the new model reads; the old process runs for a moment after the switch."""
    until(lambda: board.model() != before, 120)
    until(lambda: board.pid() not in (pid, "0") and board.reads(), 60)


def connection_lost(board: Board) -> None:
    """Disconnect the workstation and kill the process while a new model is watched."""
    before, pid = board.model(), board.pid()
    playing = board.playing(
        "update", "-e", f"asl_edge_model={models.good(MODELS / 'lost', 'lost')}", *LONG_WATCH
    )
    _until_watched(board, before, pid)
    playing.kill()
    playing.wait()  # communicate() would wait for child processes, which hold the pipe until the watch ends
    board.ask("pkill -9 -u pi sshd")
    board.ask(f"kill -9 {board.pid()}")
    until(lambda: board.model() == before, 90)
    fault(
        "the same, after the workstation disconnects",
        "the board rolls back by itself",
        board.until_reads(),
    )


def killed_at_every_step(board: Board) -> None:
    """Kill the switch script before its first command, its second, and so on; the model stays complete."""
    installed = board.ask("cd /var/lib/asl-edge/models && ls -d *[0-9a-f] | grep -v came").split()
    names = [board.model(), next(name for name in installed if name != board.model())]
    count = {"old": 0, "new": 0}
    step = 0
    while True:
        step += 1
        old = board.model()
        new = next(name for name in names if name != old)
        trap = f"n=$((n+1)); [ $n -lt {step} ] || kill -9 $$"
        switched = board.machine.run(
            f"bash -c 'set -T; n=0; trap \"${{TRAP}}\" DEBUG; . /opt/asl-edge/libexec/switch' switch "
            f"/var/lib/asl-edge/model models {new} 60 0".replace("${TRAP}", trap.replace("$", "\\$"))
        )
        active = board.model()
        checksum = board.ask("cd /var/lib/asl-edge/model && cat * | sha256sum")
        if active not in names or not checksum:
            sys.exit(f"FAILED: killed before command {step}, the link points to {active}")
        count["old" if active == old else "new"] += 1
        if switched.returncode == 0:
            break
    board.ask("systemctl start asl-edge")
    for name in names:
        checked = board.machine.run(
            f"/opt/asl-edge/current/bin/asl-edge check /var/lib/asl-edge/models/{name}"
        )
        expect(checked.returncode == 0, f"{name[:8]} is complete", checked.stderr)
    fault(
        f"the switch script is killed before each of its {step - 1} commands, then runs to its end",
        f"{count['old']} times the old model, {count['new']} times the new, complete each time",
        board.until_reads(),
    )


def cut_while_updating(board: Board) -> None:
    """Kill the machine at four times during update.yml and boot it again."""
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
            checked.returncode == 0,
            f"killed after {after_s} s: {board.model()[:8]} is complete",
            checked.stderr,
        )
        fault(
            f"the machine is killed {after_s} s into `update.yml`", f"boots into {board.model()[:8]}", back_s
        )
    board.play("update", "-e", f"asl_edge_model={MODELS / 'cut3'}")


def kills(board: Board, restarts: int) -> None:
    """Kill, freeze and restart the process, then kill the machine."""
    board.ask(f"kill -9 {board.pid()}")
    fault("`kill -9`", "systemd restarts it", until_new(board))
    pid, start_t = board.pid(), time.monotonic()
    board.ask(f"kill -STOP {pid}")
    until(lambda: board.pid() not in (pid, "0"), WATCHDOG_S + 30)
    replaced_s = time.monotonic() - start_t
    fault(
        "`kill -STOP` (the process freezes)",
        "the watchdog ends it and systemd restarts it",
        board.until_reads(),
    )
    expect(replaced_s < WATCHDOG_S + BACK_S, f"{replaced_s:.1f} s from the freeze to a new process")
    start_t = time.monotonic()
    script = (
        f"for n in $(seq {restarts}); do systemctl restart asl-edge || echo FAILED; done; "
        "systemctl is-active asl-edge"
    )
    output = board.machine.run(script, timeout_s=600).stdout.split()
    each_s = (time.monotonic() - start_t) / restarts
    expect(output == ["active"], f"{restarts} restarts, {each_s:.1f} s each until READY", " ".join(output))
    fault(f"{restarts} restarts in a row", f"READY each time, {each_s:.1f} s each", board.until_reads())
    board.machine.cut()
    booted_s = board.machine.start()
    fault(
        "the machine is killed and booted again",
        f"boots in {booted_s:.0f} s and reads by itself",
        board.until_reads(),
    )


def until_new(board: Board) -> float:
    """Wait until a new process reads frames; return the seconds waited."""
    start_t = time.monotonic()
    board.until_reads()
    return time.monotonic() - start_t


def full_disk(board: Board) -> None:
    """Fill the disk: reading, restarting and rejecting an update must still work."""
    board.ask("head -c 5G /dev/zero > /var/full; sync")
    expect(board.ask("df --output=avail / | tail -1").strip() == "0", "the disk is full")
    before = board.letters()
    until(lambda: board.letters() > before, 60)
    fault("the disk is full (no bytes free)", "letters continue")
    board.ask("systemctl restart asl-edge")
    fault("a restart on the full disk", "READY", board.until_reads())
    model = board.model()
    board.play("update", "-e", f"asl_edge_model={models.good(MODELS / 'full', 'full')}", good=False)
    expect(
        board.model() == model and board.reads(),
        "update.yml on a full disk fails and keeps the old model",
    )
    fault("`update.yml` on the full disk", "rejected before anything is copied; the old model keeps running")
    board.ask("truncate -s -8M /var/full")  # enough for ansible's own files, too little for a model
    output = board.play("update", "-e", f"asl_edge_model={MODELS / 'full'}", good=False)
    left = board.ask("ls -d /var/lib/asl-edge/models/incoming 2>/dev/null")
    expect(
        board.model() == model and board.reads() and left == "" and "keeps its model" in output,
        "with 8 MB free, update.yml gives the reason and removes the partial copy",
        output,
    )
    board.ask("rm /var/full")
    board.play("update", "-e", f"asl_edge_model={MODELS / 'full'}")
    fault(
        "`update.yml`, and the disk fills up while the model is copied",
        "the partial copy is removed, the old model keeps running; it succeeds once there is space",
    )


def bad_settings(board: Board) -> None:
    """Check that invalid settings never reach the board."""
    before = board.ask("sha256sum /etc/asl-edge/asl-edge.toml")
    invalid = '{"asl_edge_settings": {"letters": {"hold_s": "long"}}}'
    output = board.play("site", "-e", invalid, good=False)
    unchanged = board.ask("sha256sum /etc/asl-edge/asl-edge.toml") == before and board.reads()
    expect(unchanged and "must be a number" in output, "an invalid setting is rejected", output)
    fault(
        "`site.yml` with an invalid setting",
        "rejected before the file is replaced; the service keeps reading",
    )


def new_application(board: Board) -> None:
    """Install a release with the extras and its own Python, reject an incomplete one, and roll back."""
    first = board.ask("readlink /opt/asl-edge/current")
    # other wheels have another checksum, and so make another release
    own_python.put_into(WITH_EXTRAS, board.machine.base)
    board.play("site", variables={"asl_edge_wheelhouse": str(WITH_EXTRAS)} | own_python.VARIABLES)
    second = board.ask("readlink /opt/asl-edge/current")
    expect(second != first and board.reads(), f"{second} runs, and {first} stays installed")
    prefix = board.ask("/opt/asl-edge/current/bin/python -c 'import sys; print(sys.base_prefix)'")
    expect(prefix == own_python.PLACE, f"it runs on its own Python, in {prefix}")
    network.page_and_mqtt(board)
    other = shutil.copytree(WITH_EXTRAS, BUILD / "other-wheels", dirs_exist_ok=True)
    next(other.glob("numpy-*")).unlink()
    lines = (other / "wheels.sha256").read_text().splitlines()
    (other / "wheels.sha256").write_text("\n".join(line for line in lines if "numpy" not in line) + "\n")
    output = " ".join(board.play("site", "-e", f"asl_edge_wheelhouse={other}", good=False).split())
    kept = board.ask("readlink /opt/asl-edge/current") == second
    expect(kept and "No module named 'numpy'" in output, "a release without numpy is not activated", output)
    shutil.rmtree(other)
    fault(
        "`site.yml` with an application that can't start",
        "detected during the build; never activated",
        board.until_reads(),
    )
    board.play("rollback", "-e", "asl_edge_rollback=application")
    active = board.ask("readlink /opt/asl-edge/current")
    expect(active == first and board.reads(), f"rollback.yml: {first} runs again")
    board.play("site")
    left = board.ask("cd /opt/asl-edge && ls -d releases/*[0-9a-f] | grep -v came").split()
    expect(
        set(left) == {first, second}, "site.yml keeps the previous application and no other", " ".join(left)
    )


def canary(board: Board) -> None:
    """Update two boards with a corrupt model: the first rejects it, so the second is not updated."""
    inventory = board.inventory.read_text()
    hosts = {"debian_x86": {"hosts": {"canary": VARIABLES, "second": VARIABLES}}}
    board.inventory.write_text(json.dumps({"asl_edge": {"children": hosts}}))
    output = board.play("update", "-e", f"asl_edge_model={models.corrupt(MODELS / 'corrupt')}", good=False)
    board.inventory.write_text(inventory)
    expect("[canary]" in output and "[second]" not in output, "update.yml for a fleet stops at its canary")
    fault(
        "`update.yml` for two boards with a corrupt model",
        "the first rejects it, the second is not touched",
    )
