"""Use a booted machine as a board: run playbooks and scripts on it, and check the results."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from machine import ADDRESS, BUILD, RUN, SSH_OPTIONS, Machine

if TYPE_CHECKING:
    from prove_arm import ArmMachine

OWNER = "owner"  # a user whose sudo asks for a password; `pi` is for the tests
ANSIBLE = BUILD.parents[1] / "ansible"
BACK_S = 10  # the longest recovery after the end of a fault
WATCHDOG_S = 15  # WatchdogSec= of the unit: systemd detects a frozen process after this time
LETTERS = "/run/asl-edge/letters.jsonl"
VARIABLES = {
    "ansible_host": ADDRESS,
    "ansible_user": "pi",
    "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
    "asl_edge_camera": "synthetic:HELLO",
    # few frames and one thread, because the machine shares its processor with the host
    "asl_edge_settings": {"letters": {"output": LETTERS}, "camera": {"fps": 5}, "model": {"threads": 1}},
    "asl_edge_watch_s": 10,
    "asl_edge_limit_ms": 100,
}
STARTED = time.monotonic()
FAULTS: list[tuple[str, str, float | None]] = []


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.0f} s  {text}", flush=True)


def expect(condition: object, text: str, details: str = "") -> None:
    """Print the text if the condition holds; otherwise exit with the text and the details."""
    if not condition:
        sys.exit(f"FAILED: {text}\n{details}")
    say(text)


def fault(name: str, happened: str, back_s: float | None = None, limit_s: float = BACK_S) -> None:
    """Add a row to the table and check its time.

    `back_s` is the time from the end of the fault to the next frame; None if reading was not interrupted.
    """
    FAULTS.append((name, happened, back_s))
    expect(
        back_s is None or back_s <= limit_s, f"{name}: {happened}" + (f", {back_s:.1f} s" if back_s else "")
    )


class Board:
    """A machine on which playbooks and scripts are run, as on a board."""

    def __init__(self, machine: "Machine | ArmMachine", group: str = "debian_x86") -> None:
        self.machine = machine
        self.inventory = BUILD / f"inventory-{machine.name}.json"
        hosts = {group: {"hosts": {"edge": VARIABLES}}}
        self.inventory.write_text(json.dumps({"asl_edge": {"children": hosts}}))

    def playing(self, name: str, *more: str) -> subprocess.Popen[str]:
        """Start a playbook and return its process."""
        return self._start(["ansible-playbook", "-i", str(self.inventory), f"{name}.yml", *more])

    def _start(self, command: list[str], stdin: int | None = None) -> subprocess.Popen[str]:
        # A folder per boot: ansible must not reuse a connection to an earlier machine at the same address.
        # It is short because the path of a socket has at most 108 characters.
        connections = RUN / f"ssh-{self.machine.name}-{self.machine.boots}"
        environment = os.environ | {"ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(connections)
        return subprocess.Popen(
            [*self.machine.command(), *command],
            cwd=ANSIBLE,
            env=environment,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def play(
        self, name: str, *more: str, good: bool = True, variables: Mapping[str, object] | None = None
    ) -> str:
        """Run a playbook to its end and return its output; check that it succeeds, or fails if not `good`."""
        start_t = time.monotonic()
        variables_file = BUILD / "variables.json"
        variables_file.write_text(json.dumps(variables))
        playing = self.playing(name, *more, *(("-e", f"@{variables_file}") if variables else ()))
        output = playing.communicate()[0]
        with (BUILD / "played.log").open("a") as log:
            log.write(output)
        command = " ".join([f"{name}.yml", *more, *(variables or ())])
        result = f"{command}: exit code {playing.returncode}, {time.monotonic() - start_t:.0f} s"
        expect((playing.returncode == 0) == good, result, output)
        return output

    def play_as_owner(self, name: str, password: str, variables: Mapping[str, object]) -> str:
        """Run a playbook as `docs/install.md` says, type the password of sudo, and return the output."""
        start_t = time.monotonic()
        keyboard, terminal = pty.openpty()
        command = ["setsid", "--ctty", "--wait", "ansible-playbook", "-i", str(self.inventory)]
        command += ["--ask-become-pass", "-e", json.dumps({"ansible_user": OWNER} | dict(variables))]
        command.append(f"{name}.yml")
        playing = self._start(command, stdin=terminal)
        shown = b""
        while b"password" not in shown:  # what is typed before that is discarded
            shown += os.read(keyboard, 1024)
        os.write(keyboard, f"{password}\n".encode())
        output = playing.communicate()[0]
        for end in (keyboard, terminal):
            os.close(end)
        result = f"{name}.yml --ask-become-pass: exit code {playing.returncode}"
        say(f"{result}, {time.monotonic() - start_t:.0f} s")
        return output

    def ask(self, script: str) -> str:
        """Run a script as root and return its standard output."""
        return self.machine.run(script).stdout.strip()

    def model(self) -> str:
        """Return the name of the package that the link points to."""
        return self.ask("basename $(readlink /var/lib/asl-edge/model)")

    def reads(self) -> bool:
        """Return whether the service is active and its status shows a frame rate above 0."""
        state = self.ask("systemctl show -p ActiveState -p StatusText asl-edge")
        return (
            "ActiveState=active" in state
            and re.search(r"StatusText=(?!0\.0)[\d.]+ frames", state) is not None
        )

    def letters(self) -> int:
        """Return the number of letters that the service has written."""
        return int(self.ask(f"cat {LETTERS}* 2>/dev/null | wc -l") or 0)

    def until_reads(self, limit_s: float = 60) -> float:
        """Wait until the service reads frames; return the seconds waited."""
        return until(self.reads, limit_s)

    def pid(self) -> str:
        """Return the process id of the service."""
        return self.ask("systemctl show -p MainPID --value asl-edge")


def until(condition: Callable[[], bool], limit_s: float) -> float:
    """Wait until the condition holds and return the seconds waited; exit if that exceeds the limit."""
    start_t = time.monotonic()
    while not condition():
        if time.monotonic() - start_t > limit_s:
            sys.exit(f"FAILED: {condition.__qualname__} did not become true within {limit_s} s")
        time.sleep(0.2)
    return time.monotonic() - start_t


def changed(output: str) -> int:
    """Return the number of changes in ansible's recap."""
    return int(re.findall(r"changed=(\d+)", output)[-1])
