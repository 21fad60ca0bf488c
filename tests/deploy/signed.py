"""What a board takes: only listed files, tried as the service's user, and signed ones if it is told so."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import models
from board import Board, expect, fault
from faults import MODELS
from machine import BUILD

UNLISTED = "uninvited-1.0-py3-none-any.whl"
KEY = BUILD / "signing_key"


def plant_unlisted_wheel(wheels: Path) -> None:
    """Put a wheel that no sum covers beside those of the board."""
    with zipfile.ZipFile(wheels / UNLISTED, "w") as wheel:
        wheel.writestr("uninvited.py", "")
        wheel.writestr(
            "uninvited-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: uninvited\nVersion: 1.0\n"
        )
        wheel.writestr("uninvited-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("uninvited-1.0.dist-info/RECORD", "")


def unlisted_wheel_is_absent(board: Board) -> None:
    """Check that the installed release holds no module of that wheel."""
    found = board.machine.run("/opt/asl-edge/current/bin/python -c 'import uninvited'")
    expect("No module named 'uninvited'" in found.stderr, "a wheel that is not listed is not installed")
    fault("a wheel without a sum beside those of `wheels.sha256`", "not installed")


def sandbox_holds(board: Board) -> None:
    """Check what a program can do in which the playbook tries models and settings."""
    sandboxed = "/opt/asl-edge/libexec/sandboxed"
    expect(board.ask(f"{sandboxed} /usr/bin/id -un") == "asl-edge", "models are tried as the service's user")
    reach = "touch /var/lib/asl-edge/x /opt/asl-edge/x /etc/x /tmp/x; ls /root; cat /etc/shadow; "
    reach += "tail -n +3 /proc/net/dev | cut -d: -f1"
    done = board.machine.run(f"{sandboxed} /bin/sh -c '{reach}'")
    left = board.ask("ls -d /var/lib/asl-edge/x /opt/asl-edge/x /etc/x /tmp/x 2>/dev/null")
    refused = done.stderr.count("Read-only file system") == 3 and "Permission denied" in done.stderr
    expect(
        refused and left == "" and done.stdout.split()[-1:] == ["lo"],
        "there they write nothing that stays, read no home, and have no network",
        done.stdout + done.stderr,
    )
    done = board.machine.run(f"{sandboxed} /bin/sh -c 'exit 7'")
    expect(done.returncode == 7, "the exit code of the trial comes back")


def sign(path: Path, namespace: str) -> None:
    """Sign a file with KEY."""
    path.with_name(path.name + ".sig").unlink(missing_ok=True)
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", KEY, "-n", namespace, path]
    subprocess.run(command, check=True)


def signatures(board: Board, wheels: Path) -> None:
    """Tell the board to want signatures: it refuses an unsigned model and unsigned wheels."""
    if not KEY.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY], check=True)
    wanted = {"asl_edge_signers": [KEY.with_suffix(".pub").read_text().strip()]}
    package = models.good(MODELS / "signed", "signed")
    before = board.model()
    model = {"asl_edge_model": str(package)}
    (package / "model_metadata.json.sig").write_text("no signature")
    output = board.play("update", variables=wanted | model, good=False)
    kept = board.model() == before and board.reads()
    expect(
        "is not a signature of this package" in " ".join(output.split()) and kept, "a forged model is refused"
    )
    sign(package / "model_metadata.json", "asl-edge-package")
    board.play("update", variables=wanted | model)
    expect(board.model() != before and board.reads(), "a signed model runs")
    other = shutil.copytree(wheels, BUILD / "unsigned-wheels", dirs_exist_ok=True)
    lines = (wheels / "wheels.sha256").read_text().splitlines()
    (other / "wheels.sha256").write_text("\n".join(reversed(lines)) + "\n")  # another release
    output = board.play("site", variables=wanted | {"asl_edge_wheelhouse": str(other)}, good=False)
    expect(
        "Verify the signature of the list of wheels" in output and board.reads(),
        "unsigned wheels are refused",
    )
    shutil.rmtree(other)
    board.play("site", variables=wanted)
    settings = board.ask("cat /etc/asl-edge/asl-edge.toml")
    expect(
        "signers = " in settings and board.reads(), "the service verifies its model at each start", settings
    )
    board.ask("rm /var/lib/asl-edge/model/model_metadata.json.sig; timeout 20 systemctl restart asl-edge")
    journal = board.ask("journalctl -u asl-edge -n 20 -o cat")
    expect(
        "is not signed, and model.signers wants a signature" in journal,
        "without it, it does not start",
        journal,
    )
    fault(
        "a model or wheels without the signature that `asl_edge_signers` wants",
        "rejected on the board; the service is not touched, and does not start with such a model",
    )
