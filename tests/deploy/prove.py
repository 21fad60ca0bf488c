"""`make test-deploy`: test the playbooks and the unit on a booted Debian: installation, faults, removal.

Each printed line is a check that passed on the machine. The program ends with the table of docs/faults.md and
exit code 0, or stops at the first check that fails.
"""

import argparse

import camera
import faults
import models
import ordinary_boards
import signed
from board import FAULTS, LETTERS, Board, changed, expect, fault, say, until
from faults import MODELS
from machine import BUILD, Machine

# what ansible reports for a 32-bit Raspberry Pi OS with a 64-bit kernel
PI_OS_32 = {"userspace_bits": "32", "distribution": "Raspbian", "architecture": "aarch64"}


WHEELS = BUILD.parent / "wheelhouse/debian_x86"


def install(board: Board) -> None:
    """Install on a fresh system, run the playbook again, and use --check before and after."""
    preview = board.play("site", "--check", "--diff")
    expect(changed(preview) > 5, f"--check of a fresh board predicts {changed(preview)} changes")
    expect(board.ask("ls -d /opt/asl-edge /etc/asl-edge 2>/dev/null") == "", "--check changed nothing")
    output = board.play("site", "-e", "asl_edge_architecture=aarch64", good=False)
    expect("Move it to the group that fits" in output, "the group of another board is rejected by name")
    expect(board.ask("ls -d /opt/asl-edge 2>/dev/null") == "", "nothing was changed before that")
    output = board.play("site", variables={"ansible_facts": PI_OS_32}, good=False)
    expect("a 32-bit Raspbian" in " ".join(output.split()), "a 32-bit system is rejected by name", output)
    ordinary_boards.without_a_camera(board)
    ordinary_boards.without_the_internet(board)
    ordinary_boards.with_locked_apt(board)
    signed.plant_unlisted_wheel(WHEELS)
    first = ordinary_boards.whose_sudo_asks(board)
    signed.unlisted_wheel_is_absent(board)
    signed.sandbox_holds(board)
    expect(
        '"letter": "L"' in first and " frames/s" in first,
        "site.yml verified READY, a letter and the state of the camera",
    )
    before = board.letters()
    until(lambda: board.letters() > before, 60)
    say(f"the unit reads the synthetic camera: {board.ask(f'tail -1 {LETTERS}')}")
    journal = board.ask("journalctl -u asl-edge -o cat")
    expect("Started" in journal and '"letter"' not in journal, "the journal contains no letters", journal)
    analysis = board.machine.run("systemd-analyze security --threshold=25 asl-edge.service")
    expect(
        analysis.returncode == 0,
        f"systemd-analyze security: {analysis.stdout.splitlines()[-1]}",
        analysis.stderr,
    )
    expect(changed(board.play("site")) == 0, "a second run: changed=0")
    expect(changed(board.play("site", "--check", "--diff")) == 0, "--check after that: changed=0")


def update(board: Board, long: bool) -> None:
    """Install a good model, reject the others, and roll back."""
    first = board.model()
    board.play("update", "-e", f"asl_edge_model={models.good(MODELS / 'good')}")
    second = board.model()
    expect(second != first and board.reads(), "the good model runs")
    for make, label, reason in (
        (models.corrupt, "a corrupt model (one byte changed)", "sha256 differs"),
        (models.slow, "a slow model", "the limit is"),
        (models.wrong, "a model whose golden output is wrong", "golden input"),
        (models.unreadable, "a model that can't read its golden pictures", "reads golden_"),
    ):
        if make is models.slow and not long:
            continue  # takes a minute on a busy machine
        pid = board.pid()
        output = board.play("update", "-e", f"asl_edge_model={make(MODELS / make.__name__)}", good=False)
        kept = (
            board.model() == second and board.pid() == pid and board.ask("ls /var/lib/asl-edge/models") != ""
        )
        explained = reason in " ".join(output.split())  # ansible wraps long lines
        expect(explained and kept, f"{label} is rejected with the reason and never activated", output)
        fault(f"`update.yml` with {label}", "rejected on the board; the service is not touched")
    if long:
        faults.died_while_watched(board)
        faults.connection_lost(board)
    board.play("rollback")
    expect(board.model() == first and board.reads(), "rollback.yml: the first model runs again")


def uninstall(board: Board) -> None:
    """Uninstall, and check that no file and no user remains."""
    board.play("uninstall")
    found = "find / -xdev -iname '*asl[-_]edge*' -not -path '/proc/*' -not -path '/var/log/*'"
    left = board.ask(f"{found}; getent passwd asl-edge")
    expect(left == "", "uninstall.yml left nothing", left)
    expect(changed(board.play("uninstall")) == 0, "uninstall.yml again: changed=0")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument(
        "--short", action="store_true", help="run only the checks that CI runs (a few minutes)"
    )
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
            ordinary_boards.without_a_gpu(board)
            faults.new_application(board)
            faults.full_disk(board)
            faults.cut_while_updating(board)
        signed.signatures(board, WHEELS)
        uninstall(board)
    finally:
        machine.remove()
    print("\n| fault | what happened | back after |\n| --- | --- | --- |")
    for name, happened, back_s in FAULTS:
        print(f"| {name} | {happened} | {'no interruption' if back_s is None else f'{back_s:.1f} s'} |")
    say("all checks passed")


if __name__ == "__main__":
    main()
