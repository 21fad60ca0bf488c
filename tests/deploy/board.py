"""A booted machine as a board: what is played on it, what is asked of it, and what must be so."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from machine import ADDRESS, BUILD, RUN, SSH_OPTIONS, Machine

if TYPE_CHECKING:
    from prove_arm import ArmMachine

ANSIBLE = BUILD.parents[1] / "ansible"
BACK_S = 10  # what a fault may cost after its end
WATCHDOG_S = 15  # WatchdogSec= of the unit: a frozen process is found no sooner
LETTERS = "/run/asl-edge/letters.jsonl"
VARIABLES = {
    "ansible_host": ADDRESS,
    "ansible_user": "pi",
    "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
    "asl_edge_camera": "synthetic:HELLO",
    # few frames and one thread: the machine shares its processor with whoever tests
    "asl_edge_settings": {"letters": {"output": LETTERS}, "camera": {"fps": 5}, "model": {"threads": 1}},
    "asl_edge_watch_s": 10,
    "asl_edge_limit_ms": 100,
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
    expect(
        back_s is None or back_s <= limit_s, f"{name}: {happened}" + (f", {back_s:.1f} s" if back_s else "")
    )


class Board:
    """The machine as a board: what is played on it and what is asked of it."""

    def __init__(self, machine: "Machine | ArmMachine", group: str = "debian_x86") -> None:
        self.machine = machine
        self.inventory = BUILD / f"inventory-{machine.name}.json"
        hosts = {group: {"hosts": {"edge": VARIABLES}}}
        self.inventory.write_text(json.dumps({"asl_edge": {"children": hosts}}))

    def playing(self, name: str, *more: str) -> subprocess.Popen[str]:
        """A playbook, begun."""
        command = ["ansible-playbook", "-i", str(self.inventory), f"{name}.yml", *more]
        # A connection that is kept must not outlive its machine, nor be taken for another's of the same
        # address; and a socket's path has at most 108 characters.
        connections = RUN / f"ssh-{self.machine.name}-{self.machine.boots}"
        environment = os.environ | {"ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(connections)
        return subprocess.Popen(
            [*self.machine.command(), *command],
            cwd=ANSIBLE,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def play(
        self, name: str, *more: str, good: bool = True, variables: Mapping[str, object] | None = None
    ) -> str:
        """A playbook, to its end; what it printed. `good`: how it must end."""
        began = time.monotonic()
        given = BUILD / "given.json"
        given.write_text(json.dumps(variables))
        playing = self.playing(name, *more, *(("-e", f"@{given}") if variables else ()))
        printed = playing.communicate()[0]
        with (BUILD / "played.log").open("a") as log:
            log.write(printed)
        told = " ".join([f"{name}.yml", *more, *(variables or ())])
        ended = f"{told}: exit code {playing.returncode}, {time.monotonic() - began:.0f} s"
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
        return (
            "ActiveState=active" in state
            and re.search(r"StatusText=(?!0\.0)[\d.]+ frames", state) is not None
        )

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
