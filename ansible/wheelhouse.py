"""Collect the wheels of a board: `make wheelhouse BOARD=pi_bookworm [EXTRAS=1] [SIGN=KEY]`.

They are the wheels that requirements/ pins for the board's Python and processor, and asl-edge's own wheel.
They go to build/wheelhouse/BOARD, with a list of their sums in wheels.sha256, which KEY signs.
group_vars/BOARD.yml, over the role's defaults, describes the board.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
ONNXRUNTIME = "onnxruntime"
SIGNED_AS = "asl-edge-release"  # the namespace of the signature
BOARDS = sorted(path.stem for path in (HERE / "group_vars").glob("*.yml"))


def load_board_variables(board: str) -> dict[str, object]:
    """Return the role's defaults with the board's file over them."""
    import yaml  # in .venv-deploy alone; the tests of the pins don't need it

    files = [HERE / "roles/asl_edge/defaults/main.yml", HERE / "group_vars" / f"{board}.yml"]
    return {key: value for file in files for key, value in yaml.safe_load(file.read_text()).items()}


def pins_for(text: str, python: str, machine: str, without: list[str]) -> str:
    """Return the blocks of a pinned file that hold on that Python and processor, without their markers.

    pip evaluates markers for the Python that it runs on, not for --python-version.
    """
    target = {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
    kept = []
    for block in re.split(r"\n(?=\S)", text):
        lines = [line for line in block.splitlines() if not line.strip().startswith("#")]
        if not lines:
            continue
        pin = Requirement(lines[0].rstrip("\\ "))
        if pin.name not in without and (pin.marker is None or pin.marker.evaluate(target)):
            kept.append("\n".join([f"{pin.name}{pin.specifier} \\", *lines[1:]]))
    return "\n".join(kept) + "\n"


def names_in(text: str) -> list[str]:
    """Return the names of the packages in a pinned file."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)


def download(pins: Path, python: str, platforms: list[str], folder: Path) -> None:
    """Download the pinned wheels; pip compares each with its hash."""
    abis = [f"cp{python.replace('.', '')}", "abi3", "none"]
    # on a terminal, pip shows how far it is
    quiet = [] if sys.stderr.isatty() else ["-q"]
    command = [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", "--require-hashes", "-r", pins]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", "-d", folder]
    command += [f"--platform={platform}" for platform in platforms] + [f"--abi={abi}" for abi in abis]
    subprocess.run(command, check=True)


def build_own(folder: Path) -> None:
    """Build asl-edge's wheel from this checkout; the same files give the same bytes."""
    shutil.rmtree(REPOSITORY / "build/lib", ignore_errors=True)  # setuptools would add old files
    constraint = REPOSITORY / "requirements/build.txt"
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1767225600", "PIP_BUILD_CONSTRAINT": str(constraint)}
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, REPOSITORY]
    subprocess.run(command, check=True, env=environment)


def add_gpu_wheel(wheel: Path, sha256: str, python: str, machine: str, folder: Path) -> None:
    """Copy an onnxruntime for a GPU to `folder`. Raises SystemExit if it is absent or does not fit."""
    if not wheel.is_file():
        sys.exit(f"asl_edge_gpu_wheel is {wheel}, which is no file: docs/gpu.md says where to get one")
    if (got := compute_sha256(wheel)) != sha256:
        sys.exit(f"{wheel} has sha256 {got}, and asl_edge_gpu_wheel_sha256 is {sha256 or 'empty'}")
    try:
        name, _, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        sys.exit(f"asl_edge_gpu_wheel is no wheel: {error}")
    interpreter = f"cp{python.replace('.', '')}"
    fits = any(tag.interpreter == interpreter and tag.platform.endswith(machine) for tag in tags)
    if not name.startswith(ONNXRUNTIME) or not fits:
        sys.exit(f"{wheel.name} is no {ONNXRUNTIME} for Python {python} on {machine}: take another")
    shutil.copyfile(wheel, folder / wheel.name)


def fetch_python(url: str, sha256: str, target: Path) -> None:
    """Download an additional Python to `target`. Raises SystemExit if that fails or the sum is another."""
    kept = target.parents[1] / url.rsplit("/", 1)[1]  # a download, or put there by hand
    if not kept.exists():
        try:
            with urllib.request.urlopen(url) as response, kept.with_suffix(".part").open("wb") as file:
                shutil.copyfileobj(response, file)
        except OSError as error:
            sys.exit(f"{url} can't be downloaded ({error}): put that file at {kept} and run this again")
        kept.with_suffix(".part").rename(kept)
    if (got := compute_sha256(kept)) != sha256:
        sys.exit(f"{kept} has sha256 {got}, expected {sha256}: remove it and run this again")
    shutil.copyfile(kept, target)


def compute_sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sign(path: Path, key: str) -> None:
    """Write `path`.sig with an SSH key, which tasks/application.yml verifies. Raises SystemExit."""
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", key, "-n", SIGNED_AS, path]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"{path} was not signed with {key}: name a private key, or install openssh-client")


def main(board: str, extras: bool, key: str) -> None:
    """Fill build/wheelhouse/BOARD anew; `extras` adds the wheels for the page, MQTT and metrics."""
    if board not in BOARDS:
        sys.exit(f"there is no board '{board}': make wheelhouse BOARD=... takes one of {', '.join(BOARDS)}")
    variables = load_board_variables(board)
    folder = REPOSITORY / "build/wheelhouse" / board
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pinned = (REPOSITORY / "requirements" / variables["asl_edge_requirements"]).read_text()
    python, machine = variables["asl_edge_python_version"], variables["asl_edge_architecture"]
    pins = folder / "pins.txt"
    gpu_wheel = variables["asl_edge_gpu_wheel"]
    without = [*variables["asl_edge_system_brings"], *([ONNXRUNTIME] if gpu_wheel else [])]
    text = pins_for(pinned, python, machine, without)
    if extras:
        more = (REPOSITORY / "requirements/extras.txt").read_text()
        text += pins_for(more, python, machine, without + names_in(pinned))
    pins.write_text(text)
    download(pins, python, variables["asl_edge_wheel_platforms"], folder)
    pins.unlink()
    if gpu_wheel:
        sha256 = variables["asl_edge_gpu_wheel_sha256"]
        add_gpu_wheel(REPOSITORY / gpu_wheel, sha256, python, machine, folder)
    build_own(folder)
    if variables["asl_edge_own_python_url"]:
        archive = folder / "own-python.tar.gz"
        fetch_python(variables["asl_edge_own_python_url"], variables["asl_edge_own_python_sha256"], archive)
    files = sorted(path for path in folder.iterdir())
    (folder / "wheels.sha256").write_text("".join(f"{compute_sha256(path)}  {path.name}\n" for path in files))
    if key:
        sign(folder / "wheels.sha256", key)
    for path in files:
        print(f"{path.stat().st_size / 1e6:7.1f} MB  {path.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board")
    parser.add_argument("--extras", action="store_true", help="also the wheels of page, MQTT and metrics")
    parser.add_argument("--sign", default="", metavar="KEY", help="SSH key to sign the list of sums with")
    arguments = parser.parse_args()
    main(arguments.board, arguments.extras, arguments.sign)
