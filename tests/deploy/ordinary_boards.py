"""Boards as people have them: no camera, no internet, apt in use, a sudo that asks for a password.

The machine has no route to anywhere, so each of these is the real thing. docs/troubleshooting.md quotes what
the playbook says.
"""

import subprocess
from collections.abc import Mapping

from board import OWNER, VARIABLES, Board, changed, expect, fault
from machine import BUILD

PASSWORD = "raspberry"
PACKAGE = "wanted-by-tests"  # empty; made here, with a source of its own on the board
WANTED = {"asl_edge_packages": ["python3-venv", PACKAGE]}
WAIT_S = 5  # for apt, on the board where it stays locked
HELD_S = 14  # on the board where it is released; longer than one try of the playbook
LOCK = "/var/lib/dpkg/lock-frontend"


def without_a_camera(board: Board) -> None:
    """Ask for a ribbon camera and for a webcam that are not there."""
    for camera, words in (
        ("pi", "finds no sensor on a ribbon cable (video devices: none): switch it off, check the cable"),
        ("usb:7", "the board has no /dev/video7 (video devices: none): plug the camera in"),
    ):
        _refused(board, {"asl_edge_camera": camera}, words)
    fault("a board without the camera that the inventory names", "`site.yml` names it and changes nothing")


def without_the_internet(board: Board) -> None:
    """Want a package that the board lacks and can't load."""
    words = f"lacks {PACKAGE}, and apt can't install it. The board needs the internet for it once"
    _refused(board, WANTED, words)
    fault(
        "a board without the internet that lacks a package",
        "`site.yml` names the package and says that the board needs the internet once; it installs nothing",
    )


def with_locked_apt(board: Board) -> None:
    """Hold apt's lock for longer than the playbook waits, as the board's own updates may."""
    _hold_lock(board, 600)
    words = f"lacks {PACKAGE}, and another program has used apt for {WAIT_S} s"
    _refused(board, WANTED | {"asl_edge_apt_wait_s": WAIT_S}, words)
    board.ask("pkill -f ^hold-apt")
    fault("another program holds apt's lock for longer than the playbook waits", "`site.yml` says so")


def whose_sudo_asks(board: Board) -> str:
    """Install as a user whose sudo asks for a password, while apt is locked for a while.

    Return what the playbook printed.
    """
    board.ask(
        f"useradd -m -s /bin/bash -G sudo {OWNER} && echo {OWNER}:{PASSWORD} | chpasswd && "
        f"cp -r /home/pi/.ssh /home/{OWNER}/ && chown -R {OWNER}: /home/{OWNER}/.ssh"
    )
    asks = board.ask(f"runuser -u {OWNER} -- sudo -n true; echo $?")
    expect(asks == "1", f"the sudo of {OWNER} asks for a password")
    _refused(board, {"ansible_user": OWNER}, "run the same command with --ask-become-pass")
    output = board.play_as_owner("site", "wrong", {})
    expect("the password was wrong" in _one_line(output), "a wrong password is told", output)
    _offer_package(board)
    _hold_lock(board, HELD_S)
    output = board.play_as_owner("site", PASSWORD, WANTED)
    expect("failed=0" in output and changed(output) > 5, "with the password, site.yml installs", output)
    fault("a board whose sudo asks for a password", "`site.yml` names the flag; with it, it installs")
    expect(
        "FAILED - RETRYING" in output, "while it waits for apt, the playbook prints a line every 10 s", output
    )
    installed = board.ask(f"dpkg-query -W -f '${{Status}}' {PACKAGE}")
    expect(installed == "install ok installed", "it installed the package after that")
    fault("another program releases apt's lock while the playbook waits", "`site.yml` goes on by itself")
    board.ask(f"dpkg -r {PACKAGE}; mv /var/local/sources.list /etc/apt; rm -r /var/local/{PACKAGE}")
    return output


def without_a_gpu(board: Board) -> None:
    """Ask for the GPU on a board whose onnxruntime knows none: with and without the drop-in."""
    settings = VARIABLES["asl_edge_settings"] | {"model": {"provider": "cuda", "threads": 1}}
    wanted = {"asl_edge_settings": settings, "asl_edge_ready_s": 10}
    output = board.play("site", variables=wanted, good=False)
    expect("add gpu.conf to it" in _one_line(output) and board.reads(), "the drop-in is named", output)
    output = board.play("site", variables=wanted | {"asl_edge_dropins": ["gpu.conf"]}, good=False)
    words = "was built for cpu, not for cuda: install an onnxruntime for this board's GPU"
    expect(words in _one_line(output), f"it says: {words}", output)
    board.play("site")
    expect(board.reads(), "without it, the service reads again")
    fault(
        "`site.yml` asks for a GPU that onnxruntime can't use",
        "the service does not start and says what to do",
    )


def _refused(board: Board, variables: Mapping[str, object], words: str) -> None:
    """Check that site.yml fails with these words and installs nothing."""
    output = board.play("site", variables=variables, good=False)
    expect(words in _one_line(output), f"it says: {words}", output)
    left = board.ask("ls -d /opt/asl-edge /etc/asl-edge 2>/dev/null")
    expect(left == "", "nothing was installed", left)


def _one_line(output: str) -> str:
    """Return what ansible folded into lines as one line, without the quotes that YAML doubles."""
    return " ".join(output.replace("''", "'").split())


def _hold_lock(board: Board, seconds: float) -> None:
    """Hold the lock in the background, as dpkg does."""
    program = (
        f"import fcntl, time; f = open('{LOCK}', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep({seconds})"
    )
    lock = f"fcntl.lockf(open('{LOCK}', 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    held = f'! python3 -c "import fcntl; {lock}" 2>/dev/null'
    board.ask(
        f'(exec -a hold-apt python3 -c "{program}") >/dev/null 2>&1 </dev/null & '
        f"until {held}; do sleep 0.1; done"
    )


def _offer_package(board: Board) -> None:
    """Give the board's apt a source on its own disk with one package, so that apt can install it."""
    folder = BUILD / PACKAGE
    (folder / "DEBIAN").mkdir(parents=True, exist_ok=True)
    control = f"Package: {PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: tests\nDescription: empty\n"
    (folder / "DEBIAN/control").write_text(control)
    deb = BUILD / f"{PACKAGE}.deb"
    subprocess.run(["dpkg-deb", "--build", folder, deb], check=True, stdout=subprocess.DEVNULL)
    place = f"/var/local/{PACKAGE}"
    board.ask(
        f"mkdir -p {place} && base64 -d > {place}/{deb.name} <<'END'\n"
        f"{subprocess.check_output(['base64', deb], text=True)}END\n"
        f"cd {place} && {{ dpkg-deb -f {deb.name}; echo Filename: ./{deb.name}; "
        f"echo Size: $(stat -c %s {deb.name}); "
        f"echo SHA256: $(sha256sum {deb.name} | cut -d' ' -f1); }} > Packages && "
        # Debian's own source can't be reached from here
        "mv /etc/apt/sources.list /var/local && "
        f"echo 'deb [trusted=yes] file:{place} ./' > /etc/apt/sources.list"
    )
