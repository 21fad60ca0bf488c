"""`make wheelhouse` takes the pins that fit the board."""

import hashlib
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DEVICE = (REPOSITORY / "requirements/device.txt").read_text()
WHEELHOUSE = runpy.run_path(str(REPOSITORY / "ansible/wheelhouse.py"))
pins_for = WHEELHOUSE["pins_for"]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_each_package_is_pinned_once_for_every_python(python: str) -> None:
    names = re.findall(r"^([\w-]+)==", pins_for(DEVICE, python, "aarch64", []), re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"numpy", "onnxruntime", "opencv-python-headless"} <= set(names)
    assert ("tomli" in names) == (python == "3.10")


def test_versions_fit_the_boards_python() -> None:
    assert "onnxruntime==1.23.2 " in pins_for(DEVICE, "3.10", "aarch64", [])
    assert "onnxruntime==1.32.0 " in pins_for(DEVICE, "3.13", "aarch64", [])


def test_packages_of_the_system_are_left_out() -> None:
    pins = pins_for(DEVICE, "3.11", "aarch64", ["numpy"])
    assert "numpy==" not in pins
    assert "onnxruntime==" in pins


def test_every_pin_keeps_its_hashes() -> None:
    blocks = re.split(r"\n(?=\S)", pins_for(DEVICE, "3.11", "aarch64", []).strip())
    assert all("--hash=sha256:" in block for block in blocks)
    assert not any(block.rstrip().endswith("\\") for block in blocks)


def test_original_nano_gets_the_last_onnxruntime_for_its_glibc() -> None:
    nano = (REPOSITORY / "requirements/nano.txt").read_text()
    assert "onnxruntime==1.28.0 " in pins_for(nano, "3.11", "aarch64", [])


def test_extras_are_added_to_the_boards_own_pins() -> None:
    wheelhouse = runpy.run_path(str(REPOSITORY / "ansible/wheelhouse.py"))
    extras = (REPOSITORY / "requirements/extras.txt").read_text()
    nano = (REPOSITORY / "requirements/nano.txt").read_text()
    more = pins_for(extras, "3.11", "aarch64", wheelhouse["names_in"](nano))
    names = re.findall(r"^([\w-]+)==", more, re.MULTILINE)
    assert {"aiohttp", "paho-mqtt", "prometheus-client"} <= set(names)
    assert not {"numpy", "onnxruntime", "opencv-python-headless"} & set(names)
    assert len(names) == len(set(names))


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs openssh-client")
def test_list_of_wheels_is_signed_for_boards_that_want_it(tmp_path: Path) -> None:
    wheelhouse = runpy.run_path(str(REPOSITORY / "ansible/wheelhouse.py"))
    key, wheels, signers = tmp_path / "key", tmp_path / "wheels.sha256", tmp_path / "allowed_signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    wheels.write_text(f"{'0' * 64}  asl_edge-1.0-py3-none-any.whl\n")
    wheelhouse["sign"](wheels, str(key))
    signers.write_text(f"asl-edge {key.with_suffix('.pub').read_text()}")
    task = (REPOSITORY / "ansible/roles/asl_edge/tasks/application.yml").read_text()
    (command,) = re.findall(r"ssh-keygen -Y verify .*\n.*", task)  # as a board runs it
    command = command.replace("/etc/asl-edge/allowed_signers", str(signers))
    assert subprocess.run(command.replace("\n", " "), shell=True, cwd=tmp_path, check=False).returncode == 0
    wheels.write_text(wheels.read_text() + f"{'1' * 64}  uninvited-1.0-py3-none-any.whl\n")
    assert subprocess.run(command.replace("\n", " "), shell=True, cwd=tmp_path, check=False).returncode != 0


def test_only_listed_wheels_are_installed(tmp_path: Path) -> None:
    listed = ["asl_edge-0.2.0-py3-none-any.whl", "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl"]
    lines = [f"{'0' * 64}  {name}\n" for name in (*listed, "own-python.tar.gz", "../evil.whl", "e vil.whl")]
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming/wheels.sha256").write_text("".join(lines))
    task = (REPOSITORY / "ansible/roles/asl_edge/tasks/application.yml").read_text()
    (command,) = re.findall(r"wheels=\$\((sed .*)\)\n", task)
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"incoming/{name}" for name in listed]
    assert "*.whl" not in task.replace(r"\(", "").split("pip install")[1].splitlines()[0]


GPU_WHEEL = "onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_34_aarch64.whl"


def add_gpu_wheel(wheel: Path, folder: Path, sha256: str, python: str = "3.12") -> None:
    WHEELHOUSE["add_gpu_wheel"](wheel, sha256, python, "aarch64", folder)


def test_wheel_for_the_gpu_is_taken_by_its_sum(tmp_path: Path) -> None:
    wheel, folder = tmp_path / GPU_WHEEL, tmp_path / "wheelhouse"
    folder.mkdir()
    wheel.write_bytes(b"a wheel")
    add_gpu_wheel(wheel, folder, hashlib.sha256(b"a wheel").hexdigest())
    assert (folder / GPU_WHEEL).read_bytes() == b"a wheel"


@pytest.mark.parametrize(
    ("name", "sha256", "python", "says"),
    [
        (GPU_WHEEL, "0" * 64, "3.12", "has sha256 "),
        (GPU_WHEEL, "", "3.12", "and asl_edge_gpu_wheel_sha256 is empty"),
        (GPU_WHEEL, "right", "3.10", "is no onnxruntime for Python 3.10 on aarch64"),
        (
            GPU_WHEEL.replace("aarch64", "x86_64"),
            "right",
            "3.12",
            "is no onnxruntime for Python 3.12 on aarch64",
        ),
        (GPU_WHEEL.replace("onnxruntime_gpu", "numpy"), "right", "3.12", "is no onnxruntime for"),
        ("onnxruntime.zip", "right", "3.12", "is no wheel: "),
        ("absent.whl", "right", "3.12", "which is no file: docs/gpu.md says where to get one"),
    ],
)
def test_wheel_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, sha256: str, python: str, says: str
) -> None:
    wheel, folder = tmp_path / name, tmp_path / "wheelhouse"
    folder.mkdir()
    if "absent" not in name:
        wheel.write_bytes(b"a wheel")
    with pytest.raises(SystemExit, match=re.escape(says)):
        add_gpu_wheel(
            wheel, folder, hashlib.sha256(b"a wheel").hexdigest() if sha256 == "right" else sha256, python
        )
    assert not list(folder.iterdir())
