"""`make test-deploy`: the playbooks and the unit on a booted Debian, from nothing to uninstalled, and faults.

Every line that it prints was seen on the machine. It ends with the table of faults (docs/faults.md) and exit
code 0, or at the first thing that is not as it should be.
"""

import argparse

import camera
import faults
import models
from board import FAULTS, LETTERS, Board, changed, expect, fault, say, until
from faults import MODELS
from machine import Machine

# what ansible finds on a Raspberry Pi OS whose kernel alone has 64 bits
PI_OS_32 = {"userspace_bits": "32", "distribution": "Raspbian", "architecture": "aarch64"}


def install(board: Board) -> None:
    """From a fresh system to letters; again; and what --check says of both."""
    would = board.play("site", "--check", "--diff")
    expect(changed(would) > 5, f"--check of a fresh board: {changed(would)} changes told")
    expect(board.ask("ls -d /opt/asl-edge /etc/asl-edge 2>/dev/null") == "", "--check changed nothing")
    wrong = board.play("site", "-e", "asl_edge_architecture=aarch64", good=False)
    expect("Move it to the group that fits" in wrong, "another board's group is refused by name")
    expect(board.ask("ls -d /opt/asl-edge 2>/dev/null") == "", "... before anything was changed")
    wrong = board.play("site", variables={"ansible_facts": PI_OS_32}, good=False)
    expect("a 32-bit Raspbian" in " ".join(wrong.split()), "a 32-bit system is refused by name", wrong)
    wrong = board.play("site", "-e", "asl_edge_camera=usb:7", good=False)
    expect("/dev/video7" in wrong, "a camera that is not there is named before anything is changed")
    first = board.play("site")
    expect(
        '"letter": "L"' in first and " frames/s" in first,
        "site.yml verified: READY, a letter, the camera's state",
    )
    before = board.letters()
    until(lambda: board.letters() > before, 60)
    say(f"the unit reads the synthetic camera: {board.ask(f'tail -1 {LETTERS}')}")
    journal = board.ask("journalctl -u asl-edge -o cat")
    expect("Started" in journal and '"letter"' not in journal, "the journal holds no letters", journal)
    done = board.machine.run("systemd-analyze security --threshold=25 asl-edge.service")
    expect(done.returncode == 0, f"systemd-analyze security: {done.stdout.splitlines()[-1]}", done.stderr)
    expect(changed(board.play("site")) == 0, "a second run: changed=0")
    expect(changed(board.play("site", "--check", "--diff")) == 0, "--check after it: changed=0")


def update(board: Board, long: bool) -> None:
    """One good model, three that no board may keep, and back."""
    first = board.model()
    board.play("update", "-e", f"asl_edge_model={models.good(MODELS / 'good')}")
    second = board.model()
    expect(second != first and board.reads(), "the good model runs")
    for make, says in (
        (models.corrupt, "sha256 differs"),
        (models.slow, "the limit is"),
        (models.wrong, "golden input"),
    ):
        if make is models.slow and not long:
            continue  # a minute, on a busy machine
        pid = board.pid()
        printed = board.play("update", "-e", f"asl_edge_model={make(MODELS / make.__name__)}", good=False)
        kept = (
            board.model() == second and board.pid() == pid and board.ask("ls /var/lib/asl-edge/models") != ""
        )
        told = says in " ".join(printed.split())  # ansible breaks long lines
        expect(told and kept, f"{make.__name__} model: said why, never switched", printed)
        fault(f"update.yml with a {make.__name__} model", "refused on the board, the service was not touched")
    if long:
        faults.died_while_watched(board)
        faults.connection_lost(board)
    board.play("rollback")
    expect(board.model() == first and board.reads(), "rollback.yml: the first model runs again")


def uninstall(board: Board) -> None:
    """Nothing stays."""
    board.play("uninstall")
    found = "find / -xdev -iname '*asl[-_]edge*' -not -path '/proc/*' -not -path '/var/log/*'"
    left = board.ask(f"{found}; getent passwd asl-edge")
    expect(left == "", "uninstall.yml left nothing", left)
    expect(changed(board.play("uninstall")) == 0, "uninstall.yml again: changed=0")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true", help="what CI runs: a few minutes")
    short = arguments.parse_args().short
    machine = Machine("aslprove")
    try:
        booted_s = machine.start()
        board = Board(machine)
        say(f"booted in {booted_s:.1f} s: {board.ask('. /etc/os-release; echo $PRETTY_NAME')}")
        install(board)
        update(board, long=not short)
        faults.kills(board, restarts=5 if short else 100)
        if not short:
            faults.killed_at_every_step(board)
            faults.canary(board)
            camera.stopped_camera(board)
            faults.bad_settings(board)
            faults.new_application(board)
            faults.full_disk(board)
            faults.cut_while_updating(board)
        uninstall(board)
    finally:
        machine.remove()
    print("\n| fault | what happened | back after |\n| --- | --- | --- |")
    for name, happened, back_s in FAULTS:
        print(f"| {name} | {happened} | {'was never away' if back_s is None else f'{back_s:.1f} s'} |")
    say("everything is as it should be")


if __name__ == "__main__":
    main()
