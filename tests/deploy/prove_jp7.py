"""`make test-deploy-jp7`: the group jetson_jp7 on the nearest machine that can be booted anywhere.

JetPack 7 is Ubuntu 24.04: Python 3.12, glibc 2.39, systemd 255. The machine is Debian 13: glibc 2.41 and
systemd 257, on this host's processor. It runs the Python 3.12 that PYTHON312 names, or python3.12 if that is
unset; without one, it runs Debian's own 3.13. Nothing of NVIDIA's is there: camera and GPU are not tried.
"""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import board as boards
import faults
import prove
from board import ANSIBLE, Board, changed, expect, say
from machine import BUILD, Machine

GROUP, SUITE = "jetson_jp7", "trixie"
X86 = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"]
WHEELS = BUILD.parent / "wheelhouse" / f"{GROUP}-on-debian"
PLACE = Path("/opt/python3.12")


def collect_wheels(python: str) -> None:
    """Collect what the group pins for that Python, for this host's processor."""
    wheelhouse = runpy.run_path(str(ANSIBLE / "wheelhouse.py"))
    variables = wheelhouse["load_board_variables"](GROUP)
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    pins = BUILD / "pins.txt"
    pinned = (ANSIBLE.parent / "requirements" / str(variables["asl_edge_requirements"])).read_text()
    pins.write_text(wheelhouse["pins_for"](pinned, python, "x86_64", variables["asl_edge_system_brings"]))
    wheelhouse["download"](pins, python, X86, WHEELS)
    wheelhouse["build_own"](WHEELS)
    lines = [f"{wheelhouse['compute_sha256'](path)}  {path.name}\n" for path in sorted(WHEELS.iterdir())]
    (WHEELS / "wheels.sha256").write_text("".join(lines))


def copy_python(root: Path) -> str:
    """Copy the host's Python 3.12 into a root and return its version there, or that of Debian's own."""
    shutil.rmtree(root / PLACE.relative_to("/"), ignore_errors=True)
    source = shutil.which(os.environ.get("PYTHON312", "python3.12"))
    if source is None:
        return "3.13"
    prefix = Path(
        subprocess.check_output([source, "-c", "import sys; print(sys.base_prefix)"], text=True).strip()
    )
    ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__")
    place = root / PLACE.relative_to("/")
    shutil.copytree(prefix / "lib/python3.12", place / "lib/python3.12", ignore=ignored)
    (place / "bin").mkdir()
    shutil.copy2(prefix / "bin/python3.12", place / "bin")
    for library in (prefix / "lib").glob("libpython3.12.so*"):  # unless it is linked statically
        shutil.copy2(library, root / "usr/local/lib")
    return "3.12"


def main() -> None:
    machine = Machine("asljp7", SUITE)
    try:
        python = copy_python(machine.base)
        collect_wheels(python)
        machine.start()
        boards.VARIABLES |= {
            "asl_edge_architecture": "x86_64",
            "asl_edge_distribution": "Debian",
            "asl_edge_distribution_version": "13",
            "asl_edge_python_version": python,
            "asl_edge_python": str(PLACE / "bin/python3.12") if python == "3.12" else "/usr/bin/python3",
            "asl_edge_wheelhouse": str(WHEELS),
        }
        board = Board(machine, GROUP)
        board.ask("ldconfig")
        versions = "echo $PRETTY_NAME, $(systemctl --version | head -1), $(ldd --version | head -1)"
        say(f"Python {python} on {board.ask(f'. /etc/os-release; {versions}')}")
        output = board.play("site")
        expect(" frames/s" in output, "site.yml verified READY, a letter and the state of the camera")
        used = board.ask(
            "/opt/asl-edge/current/bin/python --version; ls /etc/systemd/system/asl-edge.service.d"
        )
        expect(used.split()[1].startswith(python) and "jetson.conf" in used, f"it runs on {used}")
        expect(changed(board.play("site")) == 0, "a second run: changed=0")
        prove.update(board, long=False)
        faults.kills(board, restarts=3)
        prove.uninstall(board)
    finally:
        machine.remove()
    say("all checks passed")


if __name__ == "__main__":
    main()
